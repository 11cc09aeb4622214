"""The numbers of the outbox, and what was set aside in it."""

import json
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from accounts import outbox
from accounts.config import Settings
from accounts.database import Sessions
from accounts.repositories import outbox_repository
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.tasks import deliver
from tests.test_worker import add, stored

MANY = text(
    """INSERT INTO outbox (id, task, payload, created_at, relayed_at, error)
    SELECT gen_random_uuid(), 'welcome', '{"user_id": 0}',
        now() - interval '1 hour' + n * interval '1 ms', now(), :error
    FROM generate_series(1, :count) AS n"""
)
READ = text(
    "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
    " WHERE relname = 'outbox'"
)


async def fill(sessions: Sessions, count: int, error: str | None = None) -> None:
    """Store messages that wait, or that were set aside."""
    async with sessions.begin() as session:
        await session.execute(MANY, {"count": count, "error": error})


async def test_the_metrics_tell_what_waits(
    client: AsyncClient, sessions: Sessions
) -> None:
    await fill(sessions, 7)
    await fill(sessions, 3, "SMTPDataError 550")
    lines = (await client.get("/metrics")).text.splitlines()
    told = dict(line.split() for line in lines if line.startswith("outbox_"))
    age = float(told.pop("outbox_oldest_seconds"))
    assert told == {"outbox_messages": "7.0", "outbox_set_aside": "3.0"}
    assert 3500 < age < 3900


# --8<-- [start:cost]
@pytest.mark.parametrize("analyzed", [False, True])
async def test_the_numbers_cost_the_same_however_many_wait(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, analyzed: bool
) -> None:
    monkeypatch.setattr(outbox_repository, "COUNTED", 100)
    await fill(sessions, 30_000)
    await fill(sessions, 3_000, "SMTPDataError 550")
    if analyzed:
        async with sessions.begin() as session:
            await session.execute(text("ANALYZE outbox"))
    async with sessions.begin() as session:
        backlog = await OutboxRepository(session).backlog()
        read = (await session.scalars(READ)).one()
    assert read < 500
    assert backlog.messages == pytest.approx(30_000, rel=0.3)
    assert backlog.aside == 101


# --8<-- [end:cost]


# --8<-- [start:command]
async def test_what_was_set_aside_is_listed_and_sent_again(
    settings: Settings,
    sessions: Sessions,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "Settings", lambda: settings)
    once = settings.model_copy(update={"mail_tries": 1, "smtp_port": 1})
    first, second = [await add(sessions, {"user_id": 1}, "x") for _ in range(2)]
    waits = await add(sessions, {"user_id": 1, "secret": "hidden"})
    for message_id in (first, second):
        assert await deliver(sessions, once, message_id) == "set_aside"

    async def told(*arguments: str) -> list[dict[str, object]]:
        capsys.readouterr()
        await outbox.main(arguments)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    shown = await told("list")
    assert await told() == shown
    assert [UUID(str(one["id"])) for one in shown] == [first, second]
    assert {(one["kind"], one["tries"], one["error"]) for one in shown} == {
        ("x", 1, "UnknownKindError")
    }
    assert "hidden" not in str(shown)
    assert await told("again", str(uuid4()), str(waits)) == [{"sent_again": 0}]
    assert await told("again", str(first)) == [{"sent_again": 1}]
    again = await stored(sessions, first)
    assert again is not None
    assert (again.error, again.tries, again.relayed_at) == (None, 0, None)
    assert await told("again", "all") == [{"sent_again": 1}]
    assert await told() == []


# --8<-- [end:command]


async def test_all_is_sent_again_in_parts(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 10)
    await fill(sessions, 25, "SMTPDataError 550")
    assert await outbox.send_again(sessions, None) == 25


@pytest.mark.parametrize("arguments", [["again"], ["again", "x"], ["drop"]])
async def test_a_wrong_command_changes_nothing(
    settings: Settings, arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        await outbox.main(arguments)
    assert end.value.code == 2
