"""How long the server lets a connection wait, and who is answered meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from accounts import database, events
from accounts.config import ServerSettings
from accounts.database import Probe, create_engine, create_sessions, root
from accounts.events import Feed
from accounts.turns import Turns
from tests.conftest import OPERATOR
from tests.fixtures.sample_data import ANN, BOB
from tests.test_handlers import create

LIMITS = {
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "20000",
}
ASK = "SELECT name, setting FROM pg_settings WHERE name = ANY (:names)"
TAKEN = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database()
    AND application_name LIKE 'accounts-%'"""
LISTENS = """SELECT application_name FROM pg_stat_activity
    WHERE query LIKE :like AND pid <> pg_backend_pid()"""


@pytest.fixture
def settings(
    settings: ServerSettings, request: pytest.FixtureRequest
) -> ServerSettings:
    """The settings of all tests, and what one test changes of them."""
    return settings.model_copy(update=getattr(request, "param", {}))


# --8<-- [start:limits]
@pytest.mark.parametrize("pooled", [False, True])
async def test_each_connection_has_limits_and_a_name(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch, pooled: bool
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/relay.py"])
    past = {"direct_database_url": settings.database_url} if pooled else {}
    engine = create_engine(settings.model_copy(update=past))
    async with create_sessions(engine)() as session:
        names = {"names": [*LIMITS, "application_name"]}
        rows = await session.execute(text(ASK), names)
        assert {row[0]: row[1] for row in rows} == {
            **LIMITS,
            "application_name": "accounts-relay",
        }
    await engine.dispose()


async def test_those_that_are_no_requests_have_them_too(
    settings: ServerSettings,
) -> None:
    for connect in (
        database.connect(settings),
        database.connect(settings, direct=True),
    ):
        connection = await connect
        assert await connection.fetchval("SHOW lock_timeout") == "2s"
        await connection.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/bin/celery", "celery"),
        ("/x/celery/__main__.py", "celery"),
        ("accounts/relay.py", "relay"),
        ("a" * 100, "a" * 40),
    ],
)
def test_a_connection_is_named_for_its_program(
    monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.setattr("sys.argv", [path])
    assert database.program() == name


# --8<-- [end:limits]


@pytest.mark.parametrize("pooled", [False, True])
async def test_a_statement_of_another_connection_is_known_behind_no_pooler(
    settings: ServerSettings, pooled: bool
) -> None:
    past = {"direct_database_url": settings.database_url} if pooled else {}
    engine, errors = create_engine(settings.model_copy(update=past)), list[type]()
    for _ in range(2):
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            errors.append(type(root(error)))
        async with engine.begin() as connection:  # as if another one came next
            await connection.exec_driver_sql("DEALLOCATE ALL")
    await engine.dispose()
    assert errors == ([] if pooled else [asyncpg.InvalidSQLStatementNameError])


# --8<-- [start:most]
@pytest.mark.parametrize("settings", [{"pool_timeout": 0.1}], indirect=True)
async def test_a_server_process_takes_two_connections_beside_its_pool(
    app: FastAPI, client: AsyncClient, settings: ServerSettings
) -> None:
    resources, most = app.state.resources, settings.pool_size + settings.pool_overflow
    await asyncio.wait_for(resources.feed.listening.wait(), 30)
    assert (await client.get("/readyz")).status_code == 200
    async with AsyncExitStack() as busy:
        for _ in range(most):
            session = await busy.enter_async_context(resources.sessions())
            await session.execute(text("SELECT 1"))
        assert (await client.get("/users")).status_code == 503
        taken = await session.scalar(text(TAKEN))
    assert taken == most + 2


# --8<-- [end:most]


async def test_streams_and_probe_know_the_way_past_a_pooler(
    settings: ServerSettings,
) -> None:
    nowhere = SecretStr("postgresql://postgres@127.0.0.1:1/x")
    past = {"database_url": nowhere, "direct_database_url": settings.database_url}
    feed, told = Feed(), settings.model_copy(update=past)
    listening = asyncio.create_task(events.listen(feed, told))
    await asyncio.wait_for(feed.listening.wait(), 30)
    listening.cancel()
    await asyncio.wait([listening])
    probe = Probe(told)
    assert not await probe.is_answered()  # requests go through the pooler
    probe.close()


@pytest.fixture
async def row(
    client: AsyncClient, database_url: str
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A transaction that holds the first of two users."""
    for user in (ANN, BOB):
        await create(client, user)
    connection = await asyncpg.connect(database_url)
    await connection.execute("BEGIN; SELECT FROM users WHERE id = 1 FOR UPDATE")
    yield connection
    await connection.close()


# --8<-- [start:row]
@pytest.mark.parametrize("settings", [{"lock_timeout": 0.5}], indirect=True)
@pytest.mark.usefixtures("row")
async def test_who_waits_for_a_row_stops_nobody_else(
    app: FastAPI, client: AsyncClient
) -> None:
    settings = app.state.settings
    many = settings.pool_size + settings.pool_overflow
    waiting = [
        asyncio.create_task(client.patch("/users/1", json={"display_name": "Anna"}))
        for _ in range(2 * many)
    ]
    async with asyncio.timeout(30):
        while not app.state.resources.turns.rows:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)
    for method, path in (
        ("GET", "/users/1"),
        ("GET", "/users"),
        ("PATCH", "/users/2"),
        ("POST", "/users"),
    ):
        body = {"display_name": "Rob"} if method == "PATCH" else None
        body = {**ANN, "email": "c@example.org"} if method == "POST" else body
        answer = await client.request(method, path, json=body)
        assert answer.is_success, path
        assert not any(task.done() and task.result().is_success for task in waiting)
    answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} == {503}
    assert {answer.headers["Retry-After"] for answer in answers} == {"1"}


# --8<-- [end:row]


async def test_those_that_wait_for_many_rows_leave_connections_to_reads(
    app: FastAPI, client: AsyncClient, database_url: str
) -> None:
    numbers = range(1, 12)
    for number in numbers:
        await create(client, {**ANN, "email": f"ann{number}@example.org"})
    connection = await asyncpg.connect(database_url)
    await connection.execute("BEGIN; SELECT FROM users FOR UPDATE")
    waiting = [
        asyncio.create_task(client.patch(f"/users/{number}", json={}, headers=OPERATOR))
        for number in numbers
    ]
    async with asyncio.timeout(30):
        while not app.state.resources.turns.places.locked():  # noqa: ASYNC110  so too
            await asyncio.sleep(0)
    assert (await client.get("/users/1")).status_code == 200
    await connection.close()
    assert {(await answer).status_code for answer in waiting} <= {200, 503}


async def test_turns_are_kept_for_those_who_wait_only(settings: ServerSettings) -> None:
    turns = Turns(settings)
    async with turns.of(1):
        assert len(turns.rows) == 1
        impatient = Turns(settings.model_copy(update={"pool_timeout": 0.01}))
        async with impatient.of(1), asyncio.timeout(30):
            with pytest.raises(TimeoutError):
                async with impatient.of(1):
                    pass
    assert len(turns.rows) == 0
