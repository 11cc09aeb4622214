"""Errors that pass: tried again where nothing is left of the first time, else 503."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TypeAlias
from unittest.mock import create_autospec

import asyncpg
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from accounts import relay
from accounts.broker import Broker
from accounts.config import ServerSettings
from accounts.database import Sessions
from accounts.relay import relay_until
from tests.fixtures.sample_data import ANN, BOB
from tests.test_handlers import create

FAIL = """
CREATE SEQUENCE failures;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('failures') <= {times} THEN
        RAISE EXCEPTION 'as told' USING ERRCODE = '{code}';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION fail()
"""
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
def settings(settings: ServerSettings) -> ServerSettings:
    """Settings with which a busy machine is no outage."""
    return settings.model_copy(update={"pool_timeout": 30, "statement_timeout": 30})


@pytest.fixture
async def beside(database_url: str) -> AsyncIterator[Connection]:
    """A connection beside the service."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


# --8<-- [start:again]
@pytest.mark.parametrize(
    ("code", "times", "status", "attempts"),
    [
        ("40001", 1, 200, 2),
        ("40P01", 1, 200, 2),
        ("40001", 2, 503, 2),
        ("40P01", 2, 503, 2),
        ("40003", 1, 503, 1),
        ("55P03", 1, 503, 1),
        ("57014", 1, 503, 1),
        ("53300", 1, 503, 1),
        ("25P03", 1, 503, 1),
        ("23502", 1, 500, 1),
        ("23505", 1, 500, 1),
        ("P0001", 1, 500, 1),
    ],
)
async def test_what_the_database_undid_is_tried_again_once(
    client: AsyncClient,
    beside: Connection,
    code: str,
    times: int,
    status: int,
    attempts: int,
) -> None:
    await create(client, ANN)
    await beside.execute(FAIL.format(code=code, times=times))
    answer = await client.patch("/users/1", json={"display_name": "Anna"})
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)
    assert await beside.fetchval("SELECT last_value FROM failures") == attempts
    stored = await beside.fetchval("SELECT display_name FROM users")
    assert stored == ("Anna" if status == 200 else "Ann")


async def test_a_creation_that_is_tried_again_is_one(
    client: AsyncClient, beside: Connection
) -> None:
    await beside.execute(FAIL.format(code="40001", times=1))
    await create(client, ANN)
    for table in ("users", "outbox"):
        assert await beside.fetchval(f"SELECT count(*) FROM {table}") == 1  # noqa: S608  known


# --8<-- [end:again]


# --8<-- [start:deadlock]
async def test_two_transactions_that_wait_for_each_other(
    app: FastAPI, client: AsyncClient, beside: Connection
) -> None:
    for user in (ANN, BOB):
        await create(client, user)
    await beside.execute("BEGIN; SET LOCAL deadlock_timeout = '60s'")
    await beside.execute("UPDATE users SET email = 'c@example.org' WHERE id = 2")
    changing = asyncio.create_task(
        client.patch("/users/1", json={"email": "c@example.org"})
    )
    waits = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    async with asyncio.timeout(30):
        while not await beside.fetch(waits):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
    await beside.execute("UPDATE users SET version = 7 WHERE id = 1")
    await beside.execute("ROLLBACK")
    assert (await changing).status_code == 200


# --8<-- [end:deadlock]


# --8<-- [start:widened]
async def test_a_migration_that_widens_a_column_is_not_noticed(
    client: AsyncClient, beside: Connection
) -> None:
    await create(client, ANN)

    async def use() -> set[int]:
        paths = ["/users", "/users/1"] * 20
        changes = [client.patch("/users/1", json={"display_name": "A"})] * 1
        reads = [client.get(path) for path in paths]
        answers = await asyncio.gather(*reads, *changes)
        return {answer.status_code for answer in answers}

    assert await use() == {200}
    for length in (400, 500):
        wider = f"ALTER TABLE users ALTER COLUMN email TYPE varchar({length})"
        await beside.execute(wider)
        assert await use() == {200}


async def test_the_relay_survives_it(
    settings: ServerSettings,
    sessions: Sessions,
    beside: Connection,
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hasty = settings.model_copy(update={"relay_interval": 0.01, "pool_size": 1})
    broker, stopped = create_autospec(Broker, instance=True), asyncio.Event()
    broker.held.return_value = 0
    monkeypatch.setattr(relay, "Broker", lambda: broker)
    relaying = asyncio.create_task(relay_until(stopped, hasty))

    async def handed_over(number: int) -> None:
        while broker.hand_over.call_count < number:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)

    async with asyncio.timeout(30):
        await create(client, ANN)
        await handed_over(1)
        await beside.execute("ALTER TABLE outbox ALTER COLUMN error TYPE varchar(900)")
        await create(client, BOB)
        await handed_over(2)
        stopped.set()
        await relaying


# --8<-- [end:widened]


# --8<-- [start:constraint]
async def test_another_constraint_is_a_bug_that_is_named(
    client: AsyncClient, beside: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    await create(client, ANN)
    await beside.execute("ALTER TABLE users ALTER id RESTART WITH 1")
    assert (await client.post("/users", json=BOB)).status_code == 500
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (failed,) = [line for line in lines if line["event"] == "request_failed"]
    told = {one.get("constraint") for one in failed["exception"]}
    assert "pk_users" in told
    assert BOB["email"] not in json.dumps(failed)


# --8<-- [end:constraint]
