"""What the page on caching claims."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.parts import clock

FOLDER = "database/caching"
ANN, BOB = 1, 2


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer of the real cache be late, however busy the machine is."""
    snippet = request.node.callspec.params.get("snippet") and request.getfixturevalue("snippet")
    if "valkey" in request.fixturenames and hasattr(snippet, "PATIENCE"):
        monkeypatch.setattr(snippet, "PATIENCE", 30.0)


class Meeting(Redis):
    """A client that lets something happen between what its caller does and what it does."""

    before_set: Callable[[], Awaitable[object]] | None = None
    after_delete: Callable[[], Awaitable[object]] | None = None

    async def set(self, *told: Any, **options: Any) -> Any:
        """Keep a value, and before it let happen what is to happen, once."""
        happens, self.before_set = self.before_set, None
        if happens:
            await happens()
        return await super().set(*told, **options)

    async def delete(self, *keys: Any) -> Any:
        """Forget keys, and then let happen what is to happen, once."""
        done = await super().delete(*keys)
        happens, self.after_delete = self.after_delete, None
        if happens:
            await happens()
        return done


@asynccontextmanager
async def shop(
    snippet: ModuleType, database: str, valkey: str
) -> AsyncIterator[tuple[Meeting, AsyncEngine]]:
    """Give an empty cache and a database with the snippet's table."""
    engine, cache = create_async_engine(database), Meeting.from_url(valkey)
    try:
        await cache.flushall()
        async with engine.begin() as connection:
            await connection.execute(snippet.ORDERS)
        yield cache, engine
    finally:
        await cache.aclose()
        await engine.dispose()


def bad(name: str, match: str) -> Any:
    """Return the parameter `snippet` of a file that must fail with these words."""
    raises = pytest.RaisesExc(AssertionError, match=match)
    marks = pytest.mark.xfail(strict=True, raises=raises)  # the page says how it fails
    return pytest.param(f"{FOLDER}/{name}.py", marks=marks)


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/aside.py", bad("unexpiring", "it stays wrong for ever")], indirect=True
)
def test_what_is_wrong_ends(snippet: ModuleType, database: str, valkey: str) -> None:
    async def race() -> tuple[int, int, int]:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            cache.before_set = lambda: snippet.place_order(cache, engine, ANN, 200)
            assert await snippet.total(cache, engine, ANN) == 100
            assert await snippet.read(engine, ANN) == 300
            wrong = await snippet.total(cache, engine, ANN)
            (key,) = await cache.keys()
            left = await cache.ttl(key)
            await cache.expire(key, 0)
            return wrong, left, await snippet.total(cache, engine, ANN)

    wrong, left, right = asyncio.run(race())
    assert (wrong, right) == (100, 300)
    assert left != -1, "it stays wrong for ever"
    assert 0 < left <= 60


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/aside.py", bad("early", "the cache tells 100 of 300 cents")], indirect=True
)
def test_a_reader_between_finds_the_change(
    snippet: ModuleType, database: str, valkey: str
) -> None:
    async def read_between() -> int:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            await snippet.total(cache, engine, ANN)
            cache.after_delete = lambda: snippet.total(cache, engine, ANN)
            await snippet.place_order(cache, engine, ANN, 200)
            assert await snippet.read(engine, ANN) == 300
            return int(await snippet.total(cache, engine, ANN))

    told = asyncio.run(read_between())
    assert told == 300, f"the cache tells {told} of 300 cents"


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/aside.py", bad("shared", "Bob is told Ann's total")], indirect=True
)
def test_each_user_gets_their_own(snippet: ModuleType, database: str, valkey: str) -> None:
    async def ask() -> tuple[int, int]:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            return (
                await snippet.total(cache, engine, ANN),
                await snippet.total(cache, engine, BOB),
            )

    ann, bob = asyncio.run(ask())
    assert ann == 100
    assert bob == 0, "Bob is told Ann's total"


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what a client sends, and answer nothing."""
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/aside.py", bad("untimed", "the request waits for the cache")], indirect=True
)
def test_a_cache_that_hangs_costs_little(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    async def from_database(*_: object) -> int:
        return 300

    async def ask() -> tuple[int, float]:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, Redis(port=port) as cache:
            return await snippet.total(cache, None, ANN), clock.now()

    monkeypatch.setattr(snippet, "read", from_database)
    told, took = clock.run(ask())
    assert told == 300
    assert took == pytest.approx(0.2), f"the request waits for the cache: {took}"
