"""How many connections a server process holds, and how long it waits for a request."""

from asyncio import TimerHandle, Transport
from typing import ClassVar

import h11
from prometheus_client import Counter
from uvicorn.protocols.http.h11_impl import H11Protocol

from accounts.config import ServerSettings

CLOSED = Counter(
    "connections_closed_total",
    "Connections that were closed before their request was complete.",
    ["reason"],
)
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
)
AWAITED = (h11.IDLE, h11.SEND_BODY)


# --8<-- [start:connection]
class Connection(H11Protocol):
    """A connection whose request must be complete in time, head and body.

    When there are too many, the one that has kept silent for longest makes room.
    """

    seconds: ClassVar[float]
    most: ClassVar[int]
    silent: ClassVar[dict["Connection", None]]
    deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.watch()
        if len(self.connections) > self.most:
            self.make_room()

    def data_received(self, data: bytes) -> None:
        """Go on waiting if the request is not complete yet; the deadline stays."""
        super().data_received(data)
        self.watch()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, for as long as the connection lives."""
        super().on_response_complete()
        self.watch(idle=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self.forget()
        super().connection_lost(exc)

    def watch(self, *, idle: bool = False) -> None:
        """Note whether more of a request must come, and unless idle, until when."""
        if self.conn.their_state not in AWAITED or self.transport.is_closing():
            self.forget()
            return
        self.silent.setdefault(self)
        if self.deadline is None and not idle:
            self.deadline = self.loop.call_later(self.seconds, self.close, "slow")

    def forget(self) -> None:
        """Note that the client owes nothing."""
        self.silent.pop(self, None)
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def close(self, reason: str) -> None:
        """Close it at once."""
        self.forget()
        CLOSED.labels(reason).inc()
        self.transport.abort()

    def make_room(self) -> None:
        """Close the one that waits for longest; if all others are busy, refuse this."""
        oldest = next(iter(self.silent))
        if oldest is self:
            self.transport.write(FULL)
            self.transport.close()
        else:
            oldest.close("full")


# --8<-- [end:connection]


def limited(settings: ServerSettings, most: int) -> type[Connection]:
    """Return the protocol of a process that may hold so many connections."""
    told = {"seconds": settings.request_timeout, "most": most, "silent": {}}
    return type("LimitedConnection", (Connection,), told)
