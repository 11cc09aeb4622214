"""How often a client may ask for what sends a mail, counted over all processes."""

import math
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import structlog
from limits import parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis

from accounts.cache import AwayError, Breaker

log = structlog.get_logger()


@dataclass
class TooOftenError(Exception):
    """The client must wait."""

    seconds: int
    """After these it may ask again."""


# --8<-- [start:allowance]
class Allowance:
    """Counts on the server that all processes share.

    While that is away, each process counts for itself: the limit is then as many times
    higher as there are processes. To refuse everybody would let a cache decide whether
    users can be created; to count nobody would let anybody send mail through us.
    """

    def __init__(self, client: Redis, rate: str, namespace: str) -> None:
        self.rate, self.breaker = parse(rate), Breaker("limit_unreachable")
        pool: dict[str, Any] = {"connection_pool": client.connection_pool}
        storage = RedisStorage(
            "redis://", implementation="redispy", key_prefix=f"{namespace}limit", **pool
        )
        self.shared = FixedWindowRateLimiter(storage)
        self.alone = FixedWindowRateLimiter(MemoryStorage())

    async def take(self, client: str) -> None:
        """Count a request of a client, or raise `TooOftenError`."""
        who = network_of(client)
        try:
            allowed = await self.breaker.ask(lambda: self.ask(self.shared, who))
        except AwayError:
            allowed = await self.ask(self.alone, who)
        if allowed:
            log.info("mail_limit_reached")
            raise TooOftenError(allowed)

    async def ask(self, counter: FixedWindowRateLimiter, who: str) -> int:
        """Count, and return the seconds to wait; 0 where there is no need to."""
        if await counter.hit(self.rate, who):
            return 0
        stats = await counter.get_window_stats(self.rate, who)
        return max(1, math.ceil(stats.reset_time - time.time()))


# --8<-- [end:allowance]


def network_of(client: str) -> str:
    """Return what one client has of addresses: of IPv6, a whole /64."""
    try:
        address: IPv4Address | IPv6Address = ip_address(client)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else f"{int(address) >> 64:x}"
    return str(address)
