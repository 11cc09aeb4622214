"""A request that comes again with its key changes nothing, and gets the same answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest
from asyncpg import Connection, Record
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import func, select, update
from starlette.types import Message as Sent
from starlette.types import Receive, Scope, Send

from accounts import cache, scheduler
from accounts.api import dependencies
from accounts.config import ServerSettings, Settings
from accounts.database import Sessions
from accounts.main import create_app
from accounts.models import IdempotencyKey, Job, Message, User
from accounts.repositories.idempotency_repository import (
    IdempotencyRepository,
    Kept,
)
from tests.conftest import OPERATOR
from tests.fixtures.sample_data import ANN, BOB

Beside: TypeAlias = "Connection[Record]"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    RETURN NEW;
END $$;
CREATE TRIGGER hold AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION hold();
SELECT pg_advisory_lock(1)
"""
WAITS = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = $1"


@pytest.fixture
def settings(
    settings: ServerSettings,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> ServerSettings:
    """The settings of all tests, with time for a busy machine, and a test's own."""
    monkeypatch.setattr(cache, "PATIENCE", 60.0)
    waits = ("connect", "pool", "lock", "statement", "idle")
    patient = {f"{name}_timeout": 60.0 for name in waits}
    return settings.model_copy(update={**patient, **getattr(request, "param", {})})


@pytest.fixture
async def other(settings: ServerSettings) -> AsyncIterator[AsyncClient]:
    """A client of another process of the service."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
    ):
        yield client


@pytest.fixture
async def beside(database_url: str) -> AsyncIterator[Beside]:
    """A connection beside the service."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def post(
    client: AsyncClient, key: str = KEY, user: dict[str, str] = ANN
) -> Response:
    """Ask for a user with a key."""
    return await client.post("/users", json=user, headers={"Idempotency-Key": key})


async def counts(sessions: Sessions) -> list[int]:
    """Return how many users, messages and keys there are."""
    async with sessions() as session:
        tables = User, Message, IdempotencyKey
        numbers = [select(func.count()).select_from(table) for table in tables]
        return [await session.scalar(number) or 0 for number in numbers]


async def waiting(beside: Beside, kind: str) -> int:
    """Return which process of the database waits for such a lock, once one does."""
    async with asyncio.timeout(60):
        while True:
            if rows := await beside.fetch(WAITS, kind):
                return int(rows[0]["pid"])
            await asyncio.sleep(0.01)


# --8<-- [start:twice]
async def test_a_key_that_comes_twice_gets_the_same_answer_and_one_user(
    client: AsyncClient, sessions: Sessions
) -> None:
    first, again = [await post(client) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert await counts(sessions) == [1, 1, 1]


# --8<-- [end:twice]


async def test_the_answer_is_that_of_the_first_time(
    client: AsyncClient, sessions: Sessions
) -> None:
    first = (await post(client)).json()
    async with sessions.begin() as session:
        await session.execute(
            update(User).values(display_name="Anna", verified_email=ANN["email"])
        )
    assert (await post(client)).json() == first


async def test_a_request_is_the_same_however_it_is_spelt(client: AsyncClient) -> None:
    first = await post(client)
    spelt = {"display_name": ANN["display_name"], "email": ANN["email"].upper()}
    headers = {"Idempotency-Key": f'"{KEY}"', "Content-Type": "application/json"}
    told = json.dumps(spelt, indent=4)
    again = await client.post("/users", content=told, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


# --8<-- [start:at_once]
async def test_the_second_of_two_at_once_waits_for_the_answer_of_the_first(
    client: AsyncClient, other: AsyncClient, beside: Beside, sessions: Sessions
) -> None:
    await beside.execute(HOLD)
    first = asyncio.create_task(post(client))
    await waiting(beside, "advisory")  # before its commit
    second = asyncio.create_task(post(other))
    await waiting(beside, "transactionid")
    assert not first.done() and not second.done()
    await beside.execute("SELECT pg_advisory_unlock(1)")
    answers = await asyncio.gather(first, second)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert await counts(sessions) == [1, 1, 1]


# --8<-- [end:at_once]


async def test_many_at_once_are_one(
    client: AsyncClient, other: AsyncClient, sessions: Sessions
) -> None:
    answers = await asyncio.gather(*(post(one) for one in [client, other] * 10))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await counts(sessions) == [1, 1, 1]


async def test_those_that_wait_in_one_process_hold_one_connection(
    client: AsyncClient, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, taken = list[str](), list[str]()

    class Noting(IdempotencyRepository):
        async def get(self, key: str) -> Kept | None:
            kept = await super().get(key)
            looked.append(key)
            return kept

        async def take(self, key: str, fingerprint: bytes) -> Kept:
            taken.append(key)
            return await super().take(key, fingerprint)

    monkeypatch.setattr(dependencies, "IdempotencyRepository", Noting)
    await beside.execute(HOLD)
    tasks = [asyncio.create_task(post(client)) for _ in range(10)]
    await waiting(beside, "advisory")
    async with asyncio.timeout(60):
        while len(looked) < len(tasks):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0)
    assert (await client.get("/users")).status_code == 200  # they go on meanwhile
    assert taken == [KEY]
    await beside.execute("SELECT pg_advisory_unlock(1)")
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {201}


@pytest.mark.parametrize("settings", [{"lock_timeout": 0.3}], indirect=True)
async def test_who_waits_too_long_for_the_first_may_ask_again(
    client: AsyncClient, beside: Beside, sessions: Sessions
) -> None:
    await beside.execute("BEGIN")
    await beside.execute(
        "INSERT INTO idempotency_keys VALUES ($1, 'another server has it')", KEY
    )
    late = await post(client)
    assert (late.status_code, late.headers["Retry-After"]) == (503, "1")
    await beside.execute("ROLLBACK")  # that server died
    assert (await post(client)).status_code == 201
    assert await counts(sessions) == [1, 1, 1]


# --8<-- [start:crash]
async def test_a_crash_before_the_commit_leaves_nothing_and_the_key_is_free(
    client: AsyncClient, beside: Beside, sessions: Sessions
) -> None:
    await beside.execute(HOLD)
    cut = asyncio.create_task(post(client))
    pid = await waiting(beside, "advisory")  # user, message and key are written
    await beside.execute("SELECT pg_terminate_backend($1, 60000)", pid)
    assert (await cut).status_code == 503
    assert await counts(sessions) == [0, 0, 0]
    await beside.execute("SELECT pg_advisory_unlock(1)")
    assert (await post(client)).status_code == 201
    assert await counts(sessions) == [1, 1, 1]


async def test_an_answer_that_was_lost_after_the_commit_is_given_again(
    app: FastAPI, client: AsyncClient, sessions: Sessions
) -> None:
    lost = list[bytes]()

    async def losing(scope: Scope, receive: Receive, send: Send) -> None:
        async def lose(sent: Sent) -> None:
            lost.append(sent.get("body", b""))

        await app(scope, receive, lose)
        raise ConnectionResetError

    async with AsyncClient(
        transport=ASGITransport(losing), base_url="http://test"
    ) as cut:
        with pytest.raises(ConnectionResetError):
            await post(cut)
    again = await post(client)
    assert (again.status_code, again.content) == (201, b"".join(lost))
    assert await counts(sessions) == [1, 1, 1]


# --8<-- [end:crash]


# --8<-- [start:another]
@pytest.mark.parametrize("field", ["email", "display_name"])
async def test_a_key_of_another_request_is_refused(
    client: AsyncClient, sessions: Sessions, field: str
) -> None:
    await post(client)
    refused = await post(client, user={**ANN, field: BOB[field]})
    assert refused.status_code == 422
    (fault,) = refused.json()["detail"]
    assert fault["loc"] == ["header", "idempotency-key"]
    assert fault["type"] == "key_reused"
    assert await counts(sessions) == [1, 1, 1]


# --8<-- [end:another]


async def test_a_key_whose_first_request_is_not_done_yet_is_refused_to_another(
    client: AsyncClient, other: AsyncClient, beside: Beside, sessions: Sessions
) -> None:
    await beside.execute(HOLD)
    first = asyncio.create_task(post(client))
    await waiting(beside, "advisory")
    second = asyncio.create_task(post(other, user=BOB))
    await waiting(beside, "transactionid")
    await beside.execute("SELECT pg_advisory_unlock(1)")
    assert [(await one).status_code for one in (first, second)] == [201, 422]
    assert await counts(sessions) == [1, 1, 1]


async def test_two_keys_are_two_requests(
    client: AsyncClient, sessions: Sessions
) -> None:
    assert (await post(client)).status_code == 201
    assert (await post(client, KEY[::-1])).status_code == 409
    assert (await post(client, KEY[::-1], BOB)).status_code == 201
    assert await counts(sessions) == [2, 2, 2]


async def test_a_refused_request_leaves_its_key_free(
    client: AsyncClient, sessions: Sessions
) -> None:
    await client.post("/users", json=ANN)
    assert (await post(client)).status_code == 409
    assert (await post(client, user=BOB)).status_code == 201
    assert await counts(sessions) == [2, 2, 1]


WRONG = {
    "empty": "",
    "blank": " ",
    "short": "a" * 15,
    "long": "a" * 65,
    "huge": "a" * 5000,
    "no letter": f"{KEY}\u00e9",
    "a blank": f"{KEY} {KEY}",
    "a list": f'"{KEY}", "{KEY}"',
    "half quoted": f'"{KEY}',
    "quoted otherwise": f"'{KEY}'",
    "quoted twice": f'""{KEY}""',
    "with a parameter": f'"{KEY}";a=1',
    "no text": ":" + KEY,
}


@pytest.mark.parametrize("key", WRONG.values(), ids=WRONG)
async def test_what_is_no_key_is_refused(
    client: AsyncClient, sessions: Sessions, key: str
) -> None:
    told = {b"Idempotency-Key": key.encode("latin-1")}
    refused = await client.post("/users", json=ANN, headers=told)
    assert refused.status_code == 422
    (fault,) = refused.json()["detail"]
    assert fault["loc"] == ["header", "idempotency-key"]
    assert KEY not in refused.text
    assert await counts(sessions) == [0, 0, 0]


@pytest.mark.parametrize("second", [KEY, KEY[::-1], ""])
async def test_two_keys_of_one_request_are_refused(
    client: AsyncClient, sessions: Sessions, second: str
) -> None:
    headers = [("Idempotency-Key", KEY), ("idempotency-key", second)]
    refused = await client.post("/users", json=ANN, headers=headers)
    assert refused.status_code == 422
    assert await counts(sessions) == [0, 0, 0]


@pytest.mark.parametrize("key", ["a" * 16, "Z" * 64, "_-" * 8, f'"{"9" * 64}"'])
async def test_the_limits_of_a_key(client: AsyncClient, key: str) -> None:
    answers = [await post(client, key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize("settings", [{"mail_limit": "1/hour"}], indirect=True)
async def test_a_request_that_comes_again_is_not_counted(client: AsyncClient) -> None:
    statuses = [(await post(client)).status_code for _ in range(3)]
    statuses.append((await post(client, KEY[::-1], BOB)).status_code)
    assert statuses == [201, 201, 201, 429]


# --8<-- [start:forgotten]
async def test_keys_that_are_old_are_forgotten_and_no_others(
    client: AsyncClient, settings: ServerSettings, sessions: Sessions
) -> None:
    first = (await post(client)).json()
    await post(client, KEY[::-1], BOB)
    day = timedelta(seconds=settings.idempotency_seconds)
    old = update(IdempotencyKey).where(IdempotencyKey.key == KEY)
    async with sessions.begin() as session:
        await session.execute(old.values(created_at=func.now() - day))
    assert await scheduler.forget_keys(sessions, settings) is False
    async with sessions() as session:
        assert (await session.scalars(select(IdempotencyKey.key))).all() == [KEY[::-1]]
    assert (await post(client)).status_code == 409  # the address is that user's
    assert (await client.get(f"/users/{first['id']}", headers=OPERATOR)).is_success


async def test_many_keys_are_forgotten_in_parts(
    client: AsyncClient,
    settings: ServerSettings,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scheduler, "BATCH", 2)
    for number in range(3):
        user = {**ANN, "email": f"{number}@example.org"}
        await post(client, f"{KEY}-{number}", user)
    hasty = settings.model_copy(update={"idempotency_seconds": 1e-6})
    turns = [await scheduler.forget_keys(sessions, hasty) for _ in range(3)]
    assert turns == [True, False, False]
    assert await counts(sessions) == [3, 3, 0]


# --8<-- [end:forgotten]


async def test_a_scheduler_forgets_users_and_keys(
    settings: ServerSettings, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, forget_keys = asyncio.Event(), scheduler.forget_keys

    async def forget_and_stop(sessions: Sessions, settings: Settings) -> bool:
        stopped.set()
        return await forget_keys(sessions, settings)

    monkeypatch.setattr(scheduler, "forget_keys", forget_and_stop)
    await scheduler.schedule_until(stopped, settings)
    async with sessions() as session:
        jobs = (await session.scalars(select(Job.name).order_by(Job.name))).all()
    assert jobs == ["forget", "forget_keys"]


async def test_a_key_that_is_forgotten_in_this_moment_is_taken_anew(
    client: AsyncClient, beside: Beside, sessions: Sessions
) -> None:
    await post(client)
    await beside.execute("BEGIN; DELETE FROM idempotency_keys")
    async with sessions.begin() as session:
        taking = asyncio.create_task(IdempotencyRepository(session).take(KEY, b"new"))
        await waiting(beside, "transactionid")
        await beside.execute("COMMIT")
        kept = await taking
    assert (kept.user_id, kept.fingerprint) == (None, b"new")
