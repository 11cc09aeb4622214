"""A cache that may be away: then a read finds nothing, and soon."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from accounts.config import Settings

PATIENCE = 0.1
"""Seconds that a request waits for the cache."""
LONGEST = 5.0
"""Seconds after which a connection is given up, however busy this process is."""
REST = 5.0
"""Seconds for which nobody asks a cache that did not answer."""
AGAIN = 0.2
"""Seconds between two attempts to tell the cache of a change that it missed."""
AT_ONCE = 25
"""Questions of one kind that are asked at once; others wait for their turn."""

KEEP_NEWER = """
local old = redis.call('HGET', KEYS[1], 'version')
if old and tonumber(old) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'value', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
T = TypeVar("T")
log = structlog.get_logger()


class AwayError(Exception):
    """There is no answer, or nobody was asked."""


# --8<-- [start:patiently]
async def patiently(question: Awaitable[T]) -> T:
    """Return an answer that comes within `PATIENCE`, or raise `AwayError`.

    Time in which this process was too busy to read the answer doesn't count.
    """
    loop, asking = asyncio.get_running_loop(), asyncio.ensure_future(question)
    started = loop.time()
    try:
        late = True
        while late and not asking.done() and loop.time() - started < LONGEST:
            due = loop.time() + PATIENCE
            await asyncio.wait([asking], timeout=PATIENCE)
            late = loop.time() - due > PATIENCE / 2
        if asking.done():
            return asking.result()
        raise AwayError("TimeoutError")
    except (RedisError, OSError) as error:
        raise AwayError(type(error).__name__) from error
    finally:
        asking.cancel()


# --8<-- [end:patiently]


# --8<-- [start:breaker]
class Breaker:
    """Asks a server, some questions at once; after a silence, nobody asks for a while.

    Each kind of question has a breaker of its own: one decides nothing for another.
    """

    def __init__(self, event: str) -> None:
        self.event, self.resting_until = event, 0.0
        self.places = asyncio.Semaphore(AT_ONCE)

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Return the answer, or raise `AwayError`."""
        async with self.places:
            if time.monotonic() < self.resting_until:
                raise AwayError("rest")
            try:
                return await patiently(question())
            except AwayError as error:
                if time.monotonic() >= self.resting_until:
                    told = {"error": str(error), "rest": REST}
                    log.warning(self.event, **told)
                self.resting_until = time.monotonic() + REST
                raise


# --8<-- [end:breaker]


class Owed(NamedTuple):
    """A change that the cache was not told yet."""

    until: float
    """When the cache has forgotten the older value by itself, in monotonic seconds."""
    version: int
    value: str


# --8<-- [start:cache]
class Cache:
    """Values with versions: an older one never replaces a newer one."""

    def __init__(self, client: Redis, seconds: int) -> None:
        self.client, self.seconds = client, seconds
        self.reading, self.places = (
            Breaker("cache_unreachable"),
            asyncio.Semaphore(AT_ONCE),
        )
        self.owed = dict[str, Owed]()
        self.paying: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | str | None:
        """Return what is kept under a key, or None."""
        if not self.seconds or key in self.owed:
            return None
        with contextlib.suppress(AwayError):
            return await self.reading.ask(lambda: self.client.hget(key, "value"))
        return None

    async def put(self, key: str, version: int, value: str) -> None:
        """Keep a value that was read, unless a newer one is there, or nobody can."""
        if self.seconds:
            with contextlib.suppress(AwayError):
                await self.reading.ask(lambda: self.keep(key, version, value))

    async def change(self, key: str, version: int, value: str) -> None:
        """Keep a value that replaces another; if not now, then as soon as possible.

        Until then, this process doesn't read the older one.
        """
        if not self.seconds:
            return
        if not self.owed:
            try:
                async with self.places:
                    await patiently(self.keep(key, version, value))
            except AwayError as error:
                log.warning("cache_missed_a_change", error=str(error), retry_in=AGAIN)
            else:
                return
        if key not in self.owed or self.owed[key].version < version:
            until = time.monotonic() + self.seconds
            self.owed[key] = Owed(until, version, value)
        if self.paying is None or self.paying.done():
            self.paying = asyncio.create_task(self.pay())

    # --8<-- [end:cache]

    async def keep(self, key: str, version: int, value: str) -> None:
        """Tell the server."""
        told = str(version), value, str(self.seconds)
        await self.client.eval(KEEP_NEWER, 1, key, *told)

    async def pay(self) -> None:
        """Tell the cache what it missed, until there is nothing left."""
        while self.owed:
            await asyncio.sleep(AGAIN)
            with contextlib.suppress(AwayError):
                await self.pay_once()

    async def pay_once(self) -> None:
        """Tell the cache what it missed, or raise `AwayError`."""
        for key, owed in list(self.owed.items()):
            if time.monotonic() < owed.until:
                await patiently(self.keep(key, owed.version, owed.value))
            if self.owed.get(key) is owed:
                del self.owed[key]

    async def close(self) -> None:
        """Tell the cache for the last time what it missed."""
        if self.paying:
            self.paying.cancel()
            with contextlib.suppress(AwayError):
                await self.pay_once()


# --8<-- [start:client]
def create_client(settings: Settings) -> Redis:
    """Return a client that doesn't try again, for all that a process asks at once."""
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=4 * AT_ONCE,
        socket_timeout=LONGEST,
        socket_connect_timeout=LONGEST,
        retry=Retry(NoBackoff(), 0),
    )


# --8<-- [end:client]
