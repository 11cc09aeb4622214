"""A cache that may be away: then a read finds nothing, and soon."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from accounts.config import Settings

PATIENCE = 0.1
"""Seconds that a request waits for the cache."""
REST = 5.0
"""Seconds for which nobody asks a cache that did not answer."""

KEEP_NEWER = """
local old = redis.call('HGET', KEYS[1], 'version')
if old and tonumber(old) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'value', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
T = TypeVar("T")
log = structlog.get_logger()


# --8<-- [start:cache]
class Cache:
    """Values with versions: an older one never replaces a newer one."""

    def __init__(self, client: Redis, seconds: int) -> None:
        self.client, self.seconds = client, seconds
        self.resting_until = 0.0 if seconds else math.inf

    async def get(self, key: str) -> bytes | str | None:
        """Return what is kept under a key, or None."""
        return await self.ask(lambda: self.client.hget(key, "value"))

    async def put(self, key: str, version: int, value: str) -> None:
        """Keep a value, unless a newer one is there."""
        told = str(version), value, str(self.seconds)
        await self.ask(lambda: self.client.eval(KEEP_NEWER, 1, key, *told))

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Return the answer; without one, return None and don't ask for a while."""
        if time.monotonic() < self.resting_until:
            return None
        try:
            return await question()
        except (RedisError, OSError) as error:
            self.resting_until = time.monotonic() + REST
            log.warning("cache_unreachable", error=type(error).__name__, rest=REST)
            return None

    # --8<-- [end:cache]


def create_client(settings: Settings) -> Redis:
    """Return a client that gives up after `PATIENCE` and doesn't try again."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
