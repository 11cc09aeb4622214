"""What the queries do, on a real database, read back in a session of its own."""

from datetime import timedelta

import pytest

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
        message = await OutboxRepository(session).add("task", {"user_id": 1})
    async with sessions.begin() as session:
        outbox = OutboxRepository(session)
        assert await outbox.fresh(10) == [message.id]
        async with sessions() as other:
            assert await OutboxRepository(other).fresh(10) == []
        await outbox.mark_relayed([message.id], 60)
    async with sessions() as session:
        outbox = OutboxRepository(session)
        assert (await outbox.fresh(10), await outbox.again(10)) == ([], [])
        await outbox.mark_relayed([message.id], 0)
        assert (await outbox.fresh(10), await outbox.again(10)) == ([], [message.id])


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 60), (1, 120), (9, 600), (999, 600)]
)
async def test_a_message_that_nobody_settles_is_handed_over_less_often(
    sessions: Sessions, attempts: int, seconds: int
) -> None:
    async with sessions() as session:
        outbox = OutboxRepository(session)
        message = await outbox.add("task", {"user_id": 1})
        message.attempts = attempts
        await session.flush()
        await outbox.mark_relayed([message.id], 60)
        await session.refresh(message)
        assert message.relayed_at
        assert message.due_at - message.relayed_at == timedelta(seconds=seconds)
        assert message.attempts == attempts + 1


async def test_a_claimed_message_is_nobody_elses_for_a_while(
    sessions: Sessions,
) -> None:
    async with sessions.begin() as session:
        message = await OutboxRepository(session).add("task", {"user_id": 1})
    async with sessions.begin() as session:
        outbox = OutboxRepository(session)
        late = await outbox.claim(message.id, -1)
        claimed = await outbox.claim(message.id, 60)
        assert late and claimed
        assert (claimed.tries, claimed.doubts) == (2, 1)
        assert await outbox.claim(message.id, 60) is None
        await outbox.release(late, 0, doubtful=False)  # it is no longer its own
        assert await outbox.claim(message.id, 60) is None
        await outbox.release(claimed, 0, doubtful=False)
        again = await outbox.claim(message.id, 60)
        assert again
        assert (again.tries, again.doubts) == (3, 1)
        await outbox.remove(message.id)
        assert await outbox.claim(message.id, 60) is None
    async with sessions() as session:
        assert await session.get(Message, message.id) is None
