"""What happens to users, as the processes of the service tell each other."""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg
import structlog

from accounts.config import SERVICE, Settings
from accounts.database import connect, root

CHANNEL = f"{SERVICE}_users"
WAITING = 100
"""Events that a slow reader may fall behind; then its stream ends."""
RECONNECT = 1.0
"""Seconds between two attempts to listen."""
PING = 15.0
"""Seconds after which a silent connection is asked whether it still lives."""
log = structlog.get_logger()
Events = asyncio.Queue[str | None]
"""The events of one stream; None ends it."""


# --8<-- [start:feed]
class Feed:
    """Passes each event to all streams of this process, until it is closed."""

    def __init__(self) -> None:
        self.streams: set[Events] = set()
        self.closed = False
        self.listening = asyncio.Event()
        """Whether a stream may begin: it would miss nothing from now on."""

    @contextlib.contextmanager
    def stream(self) -> Iterator[Events]:
        """Give the events from now on."""
        events = Events(WAITING)
        self.streams.add(events)
        if self.closed:
            events.put_nowait(None)
        try:
            yield events
        finally:
            self.streams.discard(events)

    def publish(self, event: str) -> None:
        """Pass on an event; end a stream that has fallen too far behind."""
        for events in list(self.streams):
            if events.full():
                self.end(events)
            else:
                events.put_nowait(event)

    def close(self) -> None:
        """End all streams, those too that begin later."""
        self.closed = True
        self.end_all()
        self.listening.set()

    def end_all(self) -> None:
        """End all streams; what happens next may be missed."""
        self.listening.clear()
        for events in list(self.streams):
            self.end(events)

    def end(self, events: Events) -> None:
        """End one stream, after the events that it still has room for."""
        self.streams.discard(events)
        if events.full():
            events.get_nowait()
        events.put_nowait(None)

    # --8<-- [end:feed]


# --8<-- [start:listen]
async def listen(feed: Feed, settings: Settings) -> None:
    """Publish what the database tells, until cancelled; reconnect when it was away.

    Events of the time between are lost, so all streams end: a reader that comes back
    reads the list.
    """
    while True:
        try:
            await listen_once(feed, settings)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            lost = type(root(error)).__name__
            log.warning("events_lost_their_database", error=lost, retry_in=RECONNECT)
        except Exception:
            log.exception("events_failed", retry_in=RECONNECT)
        feed.end_all()
        await asyncio.sleep(RECONNECT)


async def listen_once(feed: Feed, settings: Settings) -> None:
    """Publish what the database tells; raise when the connection is lost."""
    gone = asyncio.Event()
    connection = await connect(settings, direct=True)
    connection.add_termination_listener(lambda *_: gone.set())
    try:
        await connection.add_listener(CHANNEL, lambda *told: feed.publish(str(told[3])))
        feed.listening.set()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), PING)
            await connection.execute("SELECT 1")
    finally:
        await connection.close(timeout=1)


# --8<-- [end:listen]
