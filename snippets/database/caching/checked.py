# region imports, what is checked, and a client that is read after a deletion
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from redis.asyncio import Redis


class Shop(Protocol):
    async def place_order(self, user_id: int, cents: int) -> None: ...
    async def total(self, user_id: int) -> int: ...


class Reading(Redis):
    then: Callable[[], Awaitable[object]] | None = None

    async def delete(self, *keys: Any) -> Any:
        done = await super().delete(*keys)
        then, self.then = self.then, None
        if then is not None:
            await then()
        return done


ANN, BOB = 1, 2


# endregion
async def check_expiry(shop: Shop, cache: Redis) -> None:
    await shop.total(ANN)
    left = [await cache.ttl(key) async for key in cache.scan_iter()]
    assert left, "nothing was stored"  # noqa: S101  it is a test
    assert min(left) > 0, "a key has no expiry"  # noqa: S101  it is a test


async def check_order(shop: Shop, cache: Reading) -> None:
    await shop.place_order(ANN, 100)
    cache.then = partial(shop.total, ANN)
    await shop.place_order(ANN, 200)
    assert cache.then is None, "nothing was deleted"  # noqa: S101  it is a test
    told = await shop.total(ANN)
    assert told == 300, f"the total is {told}"  # noqa: S101  it is a test


async def check_users(shop: Shop) -> None:
    await shop.place_order(ANN, 100)
    told = [await shop.total(user) for user in (ANN, BOB)]
    assert told == [100, 0], f"totals: {told}"  # noqa: S101  it is a test
