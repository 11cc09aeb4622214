"""PgBouncer from the system's packages, before a server; it ends with the session too."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.keeper import USER, kept
from tests.parts.postgres import Postgres
from tests.parts.server import free_port


@contextmanager
def running(server: Postgres, *settings: str) -> Iterator[str]:
    """Start a pooler with some settings before a server; give its address."""
    base, port = Path(tempfile.mkdtemp(prefix="pooler-")), free_port()
    told = [f"listen_port={port}", "listen_addr=127.0.0.1", "unix_socket_dir=", *settings]
    behind = f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n"
    (base / "settings.ini").write_text("\n".join([behind, "[pgbouncer]", "auth_type=any", *told]))
    if USER:
        shutil.chown(base, USER)
    command = [str(shutil.which("pgbouncer")), "settings.ini"]

    def accepts() -> None:
        socket.create_connection(("127.0.0.1", port)).close()

    with kept(command, base, "INT", accepts, user=USER):
        yield f"postgresql://postgres@127.0.0.1:{port}/"
