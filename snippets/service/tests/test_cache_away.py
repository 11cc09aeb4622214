"""What the cache misses while it doesn't answer, and what it is told afterwards."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import update

from accounts import cache
from accounts.cache import AT_ONCE, AwayError, Breaker, Cache, patiently
from accounts.config import ServerSettings
from accounts.database import Sessions
from accounts.models import User
from dev import valkey
from dev.keeper import Program
from dev.ports import free_port
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create


@pytest.fixture
def server_of_cache() -> Iterator[tuple[str, Program]]:
    """A Valkey server of the test's own."""
    with valkey.running() as running:
        yield running


@pytest.fixture
def paused(server_of_cache: tuple[str, Program]) -> Program:
    """The process of the cache, which can be paused."""
    return server_of_cache[1]


@pytest.fixture
def settings(
    settings: ServerSettings, server_of_cache: tuple[str, Program]
) -> ServerSettings:
    """Settings with that cache, on."""
    url = SecretStr(server_of_cache[0])
    return settings.model_copy(update={"redis_url": url, "cache_seconds": 60})


@pytest.fixture
async def seen(server_of_cache: tuple[str, Program]) -> AsyncIterator[Redis]:
    """What another process sees in the cache."""
    client = Redis.from_url(server_of_cache[0])
    yield client
    await client.aclose()


async def name_in(seen: Redis) -> str | None:
    """Return the first user's name as the cache has it."""
    keys = await seen.keys("*user:1")
    found = await seen.hget(keys[0], "value") if keys else None
    return json.loads(found)["display_name"] if found else None


async def until_seen(seen: Redis, name: str) -> None:
    """Return once the cache has the first user's name."""
    async with asyncio.timeout(30):
        while await name_in(seen) != name:  # noqa: ASYNC110  the cache tells nobody
            await asyncio.sleep(0.01)


# --8<-- [start:own]
async def test_a_read_that_failed_decides_nothing_for_a_change(
    app: FastAPI, client: AsyncClient, paused: Program, seen: Redis
) -> None:
    await create(client, ANN)
    await client.get("/users/1")
    paused.signal(signal.SIGSTOP)
    assert (await client.get("/users/1")).status_code == 200
    paused.signal(signal.SIGCONT)
    assert app.state.resources.cache.cache.reading.resting_until
    changed = await client.patch("/users/1", json={"display_name": "Anna"})
    assert changed.status_code == 200
    await until_seen(seen, "Anna")


# --8<-- [end:own]


# --8<-- [start:owed]
async def test_a_change_that_the_cache_missed_is_told_later(
    client: AsyncClient, paused: Program, seen: Redis
) -> None:
    await create(client, ANN)
    await client.get("/users/1")
    assert await name_in(seen) == "Ann"
    paused.signal(signal.SIGSTOP)
    for name in ("Anna", "Anne"):
        await client.patch("/users/1", json={"display_name": name})
        assert (await client.get("/users/1")).json()["display_name"] == name
    paused.signal(signal.SIGCONT)
    await until_seen(seen, "Anne")


async def test_at_its_end_a_process_tells_what_it_still_knows(
    settings: ServerSettings,
    paused: Program,
    seen: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "AGAIN", 3600)
    client = cache.create_client(settings)
    users = Cache(client, 60)
    paused.signal(signal.SIGSTOP)
    await users.change("user:1", 1, "a value")
    paused.signal(signal.SIGCONT)
    monkeypatch.setattr(cache, "PATIENCE", 30)
    await users.close()
    assert await seen.hget("user:1", "value") == b"a value"
    await client.aclose()


# --8<-- [end:owed]


async def test_until_it_is_told_another_process_reads_the_old_value(
    seen: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "AGAIN", 3600)
    monkeypatch.setattr(cache, "PATIENCE", 30)
    nowhere = Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    ours, other = Cache(nowhere, 60), Cache(seen, 60)
    await other.change("user:1", 1, "old")
    await ours.change("user:1", 2, "new")
    assert await ours.get("user:1") is None
    assert await other.get("user:1") == b"old"
    assert 0 < await seen.ttl("user:1") <= 60
    ours.client = seen
    await ours.close()
    assert await other.get("user:1") == b"new"
    await nowhere.aclose()


async def test_what_the_cache_forgot_by_itself_is_not_owed(
    settings: ServerSettings, seen: Redis, paused: Program
) -> None:
    client = cache.create_client(settings)
    users = Cache(client, 60)
    paused.signal(signal.SIGSTOP)
    await users.change("user:1", 1, "a value")
    users.owed["user:1"] = users.owed["user:1"]._replace(until=0)
    await users.pay_once()
    assert users.owed == {}
    paused.signal(signal.SIGCONT)
    await users.close()
    await client.aclose()


# --8<-- [start:many]
@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a cache that is starved: its client too, which is made after this."""
    monkeypatch.setattr(cache, "PATIENCE", 30.0)
    monkeypatch.setattr(cache, "LONGEST", 60.0)


@pytest.mark.usefixtures("patient")
async def test_many_reads_at_once_are_no_outage(
    client: AsyncClient, sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    await create(client, ANN)
    first = await client.get("/users/1")
    async with sessions.begin() as session:
        await session.execute(update(User).values(display_name="behind its back"))
    answers = await asyncio.gather(*(client.get("/users/1") for _ in range(200)))
    assert {answer.text for answer in answers} == {first.text}
    assert "unreachable" not in capsys.readouterr().out


# --8<-- [end:many]


async def test_the_time_of_a_busy_process_does_not_count() -> None:
    loop = asyncio.get_running_loop()
    answer = loop.create_future()

    def busy() -> None:
        until = loop.time() + 3 * cache.PATIENCE
        while loop.time() < until:
            pass
        loop.call_later(cache.PATIENCE / 10, answer.set_result, "late")

    loop.call_soon(busy)
    assert await patiently(answer) == "late"


async def test_a_silence_is_not_waited_for_twice() -> None:
    breaker, asked = Breaker("silent"), list[int]()

    async def question() -> None:
        asked.append(1)
        await asyncio.Event().wait()

    async def ask() -> None:
        with pytest.raises(AwayError):
            await breaker.ask(question)

    await asyncio.gather(*(ask() for _ in range(10 * AT_ONCE)))
    assert len(asked) == AT_ONCE
