"""What a worker does with a message, on a real database and mail server."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from accounts import logs
from accounts.config import SERVICE, Settings
from accounts.database import Sessions
from accounts.mail import SmtpMailer
from accounts.models import Message, User
from accounts.models.message import Payload
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.services.letters import WELCOME
from accounts.tasks import deliver
from tests.fixtures.sample_data import ANN
from tests.scripted import DROP, Script, speaking


@pytest.fixture
def script() -> Script:
    """What the mail server says."""
    return Script()


@pytest.fixture
async def settings(settings: Settings, script: Script) -> AsyncIterator[Settings]:
    """Settings with a mail server, and limits that are soon reached."""
    logs.configure()  # else what is logged of bugs is drawn in color, for seconds
    limits = {"mail_tries": 4, "mail_doubts": 2, "relay_retry_after": 60.0}
    async with speaking(script) as port:
        yield settings.model_copy(update={**limits, "smtp_port": port})


async def add(sessions: Sessions, payload: object = None, kind: str = WELCOME) -> UUID:
    """Store a message; without a payload, it is about a new user."""
    async with sessions.begin() as session:
        if payload is None:
            user = User(**ANN)
            session.add(user)
            await session.flush()
            payload = {"user_id": user.id}
        return (await OutboxRepository(session).add(kind, cast(Payload, payload))).id


async def stored(sessions: Sessions, message_id: UUID) -> Message | None:
    """Return a message as it is in the database."""
    async with sessions() as session:
        return await session.get(Message, message_id)


async def try_on(sessions: Sessions, settings: Settings, message_id: UUID) -> list[str]:
    """Try a message until it is settled; return what came of each try."""
    outcomes = list[str]()
    while not outcomes or outcomes[-1] in ("delayed", "doubtful"):
        outcomes.append(await deliver(sessions, settings, message_id))
    return outcomes


# --8<-- [start:twice]
async def test_a_message_that_comes_twice_sends_one_mail(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id = await add(sessions)
    assert await deliver(sessions, settings, message_id) == "sent"
    assert await deliver(sessions, settings, message_id) == "dropped"
    (mail,) = script.mails
    assert f"Message-ID: <{message_id}@{SERVICE}>".encode() in mail


# --8<-- [end:twice]


async def test_workers_with_one_message_send_one_mail(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id = await add(sessions)
    both = (deliver(sessions, settings, message_id) for _ in range(4))
    assert sorted(await asyncio.gather(*both)) == ["dropped"] * 3 + ["sent"]
    assert len(script.mails) == 1


async def test_a_claim_that_has_ended_is_another_worker_s(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id, outcomes = await add(sessions), list[str]()
    async with sessions.begin() as session:
        assert await OutboxRepository(session).claim(message_id, 3600)
    for ended in (False, True):
        if ended:
            async with sessions.begin() as session:
                ends = update(Message).values(held_until=func.now())
                await session.execute(ends)
        outcomes.append(await deliver(sessions, settings, message_id))
    assert (outcomes, len(script.mails)) == (["dropped", "sent"], 1)


# --8<-- [start:no_transaction]
async def test_no_transaction_is_open_while_the_mail_server_is_waited_for(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id = await add(sessions)
    script.silent = {"EHLO"}
    working = asyncio.create_task(deliver(sessions, settings, message_id))
    await script.reached("EHLO")
    open_ones = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend' AND state <> 'idle'"""
    async with sessions() as session:
        assert await session.scalar(text(open_ones)) == 0
    working.cancel()
    await asyncio.wait([working])


# --8<-- [end:no_transaction]


# --8<-- [start:aside]
@pytest.mark.parametrize(
    ("replies", "outcomes", "error", "mails"),
    [
        ({"END": DROP}, ["doubtful", "set_aside"], "SMTPServerDisconnected", 2),
        ({"END": "451 no"}, ["delayed"] * 3 + ["set_aside"], "SMTPDataError 451", 4),
        ({"BANNER": DROP}, ["delayed"] * 3 + ["set_aside"], "", 0),
        ({"END": "550 no"}, ["refused"], "SMTPDataError 550", 1),
        ({"QUIT": "421 closing"}, ["sent"], None, 1),
    ],
)
async def test_a_mail_that_fails_for_ever_ends_with_people(
    settings: Settings,
    sessions: Sessions,
    script: Script,
    replies: dict[str, str],
    outcomes: list[str],
    error: str | None,
    mails: int,
) -> None:
    script.replies |= replies
    message_id = await add(sessions)
    assert await try_on(sessions, settings, message_id) == outcomes
    assert await deliver(sessions, settings, message_id) == "dropped"
    assert len(script.mails) == mails
    kept = await stored(sessions, message_id)
    assert (kept is None) == (error is None)
    assert kept is None or (error or "") in str(kept.error)


POISON = {
    "an unknown kind": ({"user_id": 1}, "of a newer release", "UnknownKindError"),
    "no object": ([1], WELCOME, "TypeError"),
    "nothing": (None, WELCOME, "TypeError"),
    "no user": ({}, WELCOME, "KeyError"),
    "no number": ({"user_id": "x"}, WELCOME, "DBAPIError"),
    "too large": ({"user_id": 2**80}, WELCOME, "DBAPIError"),
}


@pytest.mark.parametrize(("payload", "kind", "error"), POISON.values(), ids=POISON)
async def test_a_message_that_nobody_understands_ends_with_people(
    settings: Settings, sessions: Sessions, payload: Payload, kind: str, error: str
) -> None:
    await add(sessions)
    message_id = await add(sessions, {"user_id": 1}, kind)
    async with sessions.begin() as session:
        row = update(Message).where(Message.id == message_id)
        await session.execute(row.values(payload=payload))
    outcomes = await try_on(sessions, settings, message_id)
    assert outcomes == ["delayed"] * 3 + ["set_aside"]
    kept = await stored(sessions, message_id)
    assert kept is not None
    assert kept.error == error


async def test_a_row_that_no_driver_reads_ends_with_people(
    settings: Settings, sessions: Sessions
) -> None:
    message_id = await add(sessions)
    async with sessions.begin() as session:
        await session.execute(text("UPDATE users SET created_at = '4000-01-01 BC'"))
        number = text("UPDATE outbox SET created_at = '200000-01-01'")
        await session.execute(number)
    outcomes = await try_on(sessions, settings, message_id)
    assert outcomes == ["delayed"] * 3 + ["set_aside"]
    async with sessions() as session:
        (kept,) = await OutboxRepository(session).aside(10)
    assert kept.id == message_id


async def test_a_bug_ends_with_people(
    settings: Settings, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SmtpMailer, "send", fail)
    message_id = await add(sessions)
    outcomes = await try_on(sessions, settings, message_id)
    assert outcomes == ["delayed"] * 3 + ["set_aside"]
    kept = await stored(sessions, message_id)
    assert kept is not None
    assert kept.error == "ZeroDivisionError"


async def test_what_kills_its_worker_ends_with_people(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id = await add(sessions)
    for _ in range(2):
        async with sessions.begin() as session:
            assert await OutboxRepository(session).claim(message_id, -1)
    assert await deliver(sessions, settings, message_id) == "set_aside"
    kept = await stored(sessions, message_id)
    assert kept is not None
    assert (kept.error, script.mails) == ("WorkerLost", [])


# --8<-- [end:aside]


# --8<-- [start:later]
@pytest.mark.parametrize(("tries", "seconds"), [(0, 60), (1, 120), (3, 480), (9, 3600)])
async def test_each_try_is_later_than_the_one_before(
    settings: Settings, sessions: Sessions, script: Script, tries: int, seconds: int
) -> None:
    script.replies["RCPT"] = "450 later"
    settings = settings.model_copy(update={"mail_tries": 20})
    message_id = await add(sessions)
    async with sessions.begin() as session:
        await session.execute(update(Message).values(tries=tries))
    assert await deliver(sessions, settings, message_id) == "delayed"
    async with sessions() as session:
        wait = select(func.extract("epoch", Message.due_at - func.now()))
        assert seconds - 30 < float((await session.scalars(wait)).one()) <= seconds
        assert (await OutboxRepository(session).backlog()).messages == 1, "it waits"


# --8<-- [end:later]


async def test_a_mail_that_was_sent_stays_sent_while_the_database_is_away(
    settings: Settings,
    sessions: Sessions,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors, remove = [ConnectionError(), TimeoutError()], OutboxRepository.remove

    async def away(outbox: OutboxRepository, message_id: UUID) -> None:
        if errors:
            raise errors.pop()
        await remove(outbox, message_id)

    monkeypatch.setattr(OutboxRepository, "remove", away)
    monkeypatch.setattr("accounts.services.delivery_service.PAUSES", (0, 0, 0))
    message_id = await add(sessions)
    assert await deliver(sessions, settings, message_id) == "sent"
    assert len(script.mails) == 1
    assert await stored(sessions, message_id) is None


@pytest.mark.parametrize("error", [ConnectionError, ZeroDivisionError])
async def test_a_mail_whose_end_can_not_be_stored_counts_as_doubtful(
    settings: Settings,
    sessions: Sessions,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    async def away(*_: object) -> None:
        raise error

    monkeypatch.setattr("accounts.services.delivery_service.PAUSES", (0, 0))
    message_id = await add(sessions)
    with monkeypatch.context() as broken:
        broken.setattr(OutboxRepository, "remove", away)
        with pytest.raises(error):
            await deliver(sessions, settings, message_id)
    assert await deliver(sessions, settings, message_id) == "dropped"
    async with sessions.begin() as session:
        await session.execute(update(Message).values(held_until=func.now()))
    async with sessions.begin() as session:
        claim = await OutboxRepository(session).claim(message_id, 60)
    assert claim
    assert (claim.tries, claim.doubts, len(script.mails)) == (2, 1, 1)


async def test_a_user_that_is_gone_gets_no_mail(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id = await add(sessions, {"user_id": 7})
    assert await deliver(sessions, settings, message_id) == "gone"
    assert await stored(sessions, message_id) is None
    assert script.told == {}
