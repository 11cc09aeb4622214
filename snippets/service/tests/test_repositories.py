"""What the queries do, on a real database, read back in a session of its own."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func

from accounts.database import Sessions
from accounts.models import Message, User
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_repository import EmailTakenError, UserRepository
from tests.fixtures.sample_data import ANN, BOB


# --8<-- [start:committed]
async def test_an_added_user_is_there_for_others(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        user = User(**ANN)
        await UserRepository(session).add(user)

    async with sessions() as other:
        stored = await UserRepository(other).get(user.id)
    assert stored is not None
    assert stored is not user
    assert (stored.email, stored.display_name) == (ANN["email"], ANN["display_name"])


# --8<-- [end:committed]


async def test_the_constraint_refuses_a_second_user(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await UserRepository(session).add(User(**ANN))
    async with sessions() as session:
        with pytest.raises(EmailTakenError):
            await UserRepository(session).add(User(**{**BOB, "email": ANN["email"]}))


async def test_a_message_is_due_once_and_again_when_it_is_lost(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        await OutboxRepository(session).add("task", {"user_id": 1})
    async with sessions.begin() as session:
        outbox = OutboxRepository(session)
        (message,) = await outbox.due(retry_after=60, limit=10)
        async with sessions() as other:
            assert not await OutboxRepository(other).due(retry_after=0, limit=10)
        outbox.mark_relayed(message)
    async with sessions() as session:
        outbox = OutboxRepository(session)
        assert not await outbox.due(retry_after=60, limit=10)
        (again,) = await outbox.due(retry_after=0, limit=10)
    assert (again.id, again.attempts) == (message.id, 1)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 60), (2, 120), (10, 600), (1000, 600)]
)
async def test_a_message_that_nobody_settles_is_handed_over_less_often(
    sessions: Sessions, attempts: int, seconds: int
) -> None:
    async with sessions() as session:
        outbox = OutboxRepository(session)
        message = await outbox.add("task", {"user_id": 1})
        message.attempts = attempts
        for passed, due in [(seconds - 5, []), (seconds + 5, [message])]:
            message.relayed_at = func.now() - timedelta(seconds=passed)
            assert await outbox.due(retry_after=60, limit=10) == due


async def test_a_claimed_message_is_nobody_elses(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        message = await OutboxRepository(session).add("task", {"user_id": 1})
    async with sessions() as second, asyncio.TaskGroup() as group:
        async with sessions.begin() as first:
            claimed = await OutboxRepository(first).claim(message.id)
            assert claimed is not None
            waiting = group.create_task(OutboxRepository(second).claim(message.id))
            assert not (await asyncio.wait([waiting], timeout=0.1))[0]
            await OutboxRepository(first).remove(claimed)
        assert await waiting is None
    async with sessions() as session:
        assert await session.get(Message, message.id) is None
