"""What the cache holds while two releases share it."""

import json
from datetime import UTC, datetime
from unittest.mock import create_autospec

import pytest

from accounts.cache import Cache
from accounts.models import User
from accounts.repositories.user_cache import FORMAT, UserCache
from tests.fixtures.sample_data import ANN

KEPT = {
    "format": FORMAT,
    "id": 1,
    "version": 1,
    "created_at": "2026-01-01",
    "verified_email": None,
    **ANN,
}


async def read(value: object) -> User | None:
    """Return the user that is read out of a value."""
    cache = create_autospec(Cache, instance=True)
    cache.get.return_value = value if isinstance(value, str) else json.dumps(value)
    return await UserCache(cache).get(1)


async def test_what_this_release_keeps_is_read() -> None:
    cache = create_autospec(Cache, instance=True)
    now = datetime.now(UTC)
    await UserCache(cache).put(User(id=1, version=1, created_at=now, **ANN))
    kept = json.loads(cache.put.await_args.args[2])
    assert kept == {**KEPT, "created_at": now.isoformat()}
    assert await read(kept)


@pytest.mark.parametrize(
    "value",
    [
        {**KEPT, "format": FORMAT + 1},
        {name: value for name, value in KEPT.items() if name != "format"},
        {**KEPT, "name": "Ann"},
        {**KEPT, "created_at": "yesterday"},
        {**KEPT, "created_at": 1767225600},
        *["", "null", "[1]", "{}"],
    ],
)
async def test_what_another_release_keeps_is_a_miss(value: object) -> None:
    assert await read(value) is None
