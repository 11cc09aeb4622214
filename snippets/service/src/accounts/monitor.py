"""What a monitor asks of a process that serves nobody else.

`python -m accounts.monitor` asks it on this machine.
It fails when the process is not well.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from accounts import startup
from accounts.config import Settings
from accounts.metrics import exposition

SILENCE = 60.0
"""Seconds without a turn, after which a process is not well."""
PATIENCE = 2.0
"""Seconds that an answer may take."""


class Pulse:
    """Tells whether a loop still turns. What it waits for may be away: it turns on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.last = clock, clock()

    def beat(self) -> None:
        """Note a turn."""
        self.last = self.clock()

    def is_well(self) -> bool:
        """Tell whether there was a turn within `SILENCE`."""
        return self.clock() - self.last < SILENCE


class Server(ThreadingMixIn, WSGIServer):
    """A server that a slow client doesn't block."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """A handler that logs no request and waits for none for long."""

    timeout = PATIENCE

    def log_message(self, *_: object) -> None:
        """Say nothing; what asks comes each few seconds."""


@contextmanager
def serving(settings: Settings, is_well: Callable[[], bool]) -> Iterator[int]:
    """Answer `/healthz` and `/metrics` on `monitor_bind`, in a thread; give the port.

    Without that setting, nobody answers, and the port is 0.
    """
    if not settings.monitor_bind:
        yield 0
        return
    host, _, port = settings.monitor_bind.rpartition(":")
    with make_server(host, int(port), answering(is_well), Server, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


Answer = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


# --8<-- [start:answering]
def answering(is_well: Callable[[], bool]) -> Answer:
    """Return what answers the two paths, and no other."""

    def answer(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path, kind = environment["PATH_INFO"], "application/json"
        if path == "/metrics":
            body, kind = exposition(None)
            status = "200 OK"
        elif path == "/healthz":
            status = "200 OK" if is_well() else "503 Service Unavailable"
            body = json.dumps({"status": "ok" if is_well() else "stuck"}).encode()
        else:
            status, body = "404 Not Found", b'{"detail": "Not Found"}'
        start(status, [("Content-Type", kind)])
        return [body]

    return answer


# --8<-- [end:answering]


def main() -> int:
    """Ask the process of this machine's `MONITOR_BIND`; return the exit status."""
    port = int(startup.read(Settings).monitor_bind.rpartition(":")[2] or 0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return int(connection.getresponse().status != http.HTTPStatus.OK)
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
