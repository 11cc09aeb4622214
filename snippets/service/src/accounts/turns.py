"""Who waits for a row waits without a connection, and leaves some for others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from accounts.config import Settings


# --8<-- [start:turns]
class Turns:
    """Lets one request of this process at a time change a row.

    One that waits for the row in the database holds a connection; those behind it hold
    none. All that change something take half of the connections at most, so that reads
    are answered whatever is locked.
    """

    # --8<-- [start:places]
    def __init__(self, settings: Settings) -> None:
        connections = settings.pool_size + settings.pool_overflow
        self.places = asyncio.Semaphore(max(1, connections // 2))
        self.rows: WeakValueDictionary[int | str, asyncio.Lock] = WeakValueDictionary()
        self.patience = settings.pool_timeout

    @asynccontextmanager
    async def of(self, row: int | str | None = None) -> AsyncIterator[None]:
        """Wait for a turn, to change a row or to add one, perhaps by a client's key.

        Raises `TimeoutError` after as long as a request waits for a connection.
        """
        lock = self.rows.setdefault(row, asyncio.Lock()) if row else asyncio.Lock()
        async with asyncio.timeout(self.patience) as waiting, lock, self.places:
            waiting.reschedule(None)
            yield

    # --8<-- [end:places]


# --8<-- [end:turns]
