from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis


class Late(Redis):
    """A client that lets something happen before it stores its next value."""

    first: Callable[[], Awaitable[object]] | None = None

    async def set(self, *args: Any, **options: Any) -> Any:
        first, self.first = self.first, None
        if first is not None:
            await first()
        return await super().set(*args, **options)


async def unexpiring(cache: Redis) -> list[bytes]:
    """Return the keys that stay until they are deleted."""
    keys = [key async for key in cache.scan_iter()]
    return [key for key in keys if await cache.ttl(key) == -1]
