"""Ports of the loopback interface."""

import re
import secrets
import socket
import time
from pathlib import Path

from dev.keeper import Program

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_000


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given.

    So nobody takes it by chance before a server does.
    """
    told = OUTGOING.read_text() if OUTGOING.exists() else "32768"
    highest = int(re.findall(r"\d+", told)[0])
    while True:
        port = LOWEST + secrets.randbelow(max(highest - LOWEST, 10_000))
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue  # somebody listens there
        return port


def wait_for_port(port: int, program: Program, seconds: float = 30) -> None:
    """Return once a program listens.

    Raises `RuntimeError` when it ended, or doesn't listen after that time.
    """
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and program.runs():
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}")
