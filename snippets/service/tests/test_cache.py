"""What the cache keeps, and what happens without it."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import update

from accounts import cache
from accounts.cache import Cache
from accounts.config import Settings
from accounts.database import Sessions
from accounts.models import User
from accounts.repositories.user_cache import UserCache
from dev import valkey
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes no answer late."""
    monkeypatch.setattr(cache, "PATIENCE", 30.0)


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    """Settings with the cache on, and empty for the test's users."""
    url = SecretStr(redis_url.removesuffix("0") + "15")
    return settings.model_copy(update={"redis_url": url, "cache_seconds": 60})


@pytest.fixture
async def users(settings: Settings) -> AsyncIterator[UserCache]:
    """The users of an empty cache."""
    client = cache.create_client(settings)
    await client.flushdb()
    yield UserCache(Cache(client, settings.cache_seconds))
    await client.aclose()


def ann(version: int, **changes: str) -> User:
    """Return a user as it was at a version."""
    now = datetime.now(UTC)
    return User(id=1, version=version, created_at=now, **{**ANN, **changes})


# --8<-- [start:newer]
async def test_an_older_user_never_replaces_a_newer_one(users: UserCache) -> None:
    await users.put(ann(2, display_name="Anna"))
    await users.put(ann(1, display_name="Ann"))
    kept = await users.get(1)
    assert kept is not None
    assert (kept.version, kept.display_name) == (2, "Anna")
    await users.put(ann(3, display_name="Anne"))
    kept = await users.get(1)
    assert kept is not None
    assert kept.display_name == "Anne"


# --8<-- [end:newer]


async def test_a_cache_that_lost_a_user_takes_an_older_one(users: UserCache) -> None:
    await users.put(ann(2))
    await users.cache.client.flushdb()
    await users.put(ann(1))
    kept = await users.get(1)
    assert kept is not None
    assert kept.version == 1


async def test_what_is_kept_is_the_whole_user(users: UserCache) -> None:
    user = ann(1)
    await users.put(user)
    kept = await users.get(1)
    assert kept is not None
    for field in ("id", "email", "display_name", "version", "created_at"):
        assert getattr(kept, field) == getattr(user, field)


async def test_a_change_is_read_at_once(users: UserCache, client: AsyncClient) -> None:
    user_id = await create(client, ANN)
    for name in ("Anna", "Anne"):
        await client.get(f"/users/{user_id}")
        await client.patch(f"/users/{user_id}", json={"display_name": name})
        read = (await client.get(f"/users/{user_id}")).json()
        assert read["display_name"] == name


async def test_a_read_comes_from_the_cache(
    users: UserCache, client: AsyncClient, sessions: Sessions
) -> None:
    user_id = await create(client, ANN)
    first = await client.get(f"/users/{user_id}")
    async with sessions.begin() as session:
        await session.execute(update(User).values(display_name="behind its back"))
    assert (await client.get(f"/users/{user_id}")).json() == first.json()


# --8<-- [start:silent]
async def test_a_cache_that_does_not_answer_is_left_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 0.1)
    with valkey.running() as (url, server):
        changed = settings.model_copy(update={"redis_url": SecretStr(url)})
        client = cache.create_client(changed)
        users = UserCache(Cache(client, 60))
        server.signal(signal.SIGSTOP)
        started = time.monotonic()
        assert [await users.get(1) for _ in range(100)] == [None] * 100
        assert 0.1 <= time.monotonic() - started < 5  # one was asked, not a hundred
        server.signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            while await users.get(1) is None:
                users.cache.reading.resting_until = 0
                await users.put(ann(1))
        await client.aclose()


# --8<-- [end:silent]


async def test_a_cache_of_no_seconds_keeps_nothing(settings: Settings) -> None:
    client = cache.create_client(settings)
    users = UserCache(Cache(client, 0))
    await users.put(ann(1))
    await users.change(ann(2))
    assert await users.get(1) is None
    await client.aclose()
