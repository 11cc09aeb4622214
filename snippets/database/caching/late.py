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
