"""What happens to users, as the processes of the service tell each other."""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg
import structlog

from accounts.config import Settings
from accounts.database import connect

CHANNEL = "users"
WAITING = 100
"""Events that a slow reader may fall behind; then its stream ends."""
RECONNECT = 1.0
"""Seconds between two attempts to listen."""
log = structlog.get_logger()
Events = asyncio.Queue[str | None]
"""The events of one stream; None ends it."""


# --8<-- [start:feed]
class Feed:
    """Passes each event to all streams of this process, until it is closed."""

    def __init__(self) -> None:
        self.streams: set[Events] = set()
        self.closed = False

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

    Events of the time between are lost: a reader that reconnects reads the list.
    """
    while True:
        with contextlib.suppress(
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError
        ):
            await listen_once(feed, settings)
        log.warning("events_lost_their_database", retry_in=RECONNECT)
        await asyncio.sleep(RECONNECT)


async def listen_once(feed: Feed, settings: Settings) -> None:
    """Publish what the database tells, until the connection is gone."""
    gone = asyncio.Event()
    connection = await connect(settings)
    connection.add_termination_listener(lambda *_: gone.set())
    try:
        await connection.add_listener(CHANNEL, lambda *told: feed.publish(str(told[3])))
        await gone.wait()
    finally:
        await connection.close(timeout=1)


# --8<-- [end:listen]
