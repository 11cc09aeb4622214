"""Ports of the loopback interface."""

import socket
import time


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 10) -> None:
    """Return once a server listens; raise `ConnectionRefusedError` when none does."""
    limit = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.02)
