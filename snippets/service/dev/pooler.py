"""PgBouncer from the system's packages, as a transaction pooler before a server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from dev import system
from dev.folders import temporary
from dev.keeper import kept
from dev.ports import free_port, wait_for_port
from dev.postgres import USER, Postgres

PACKAGE = "pgbouncer"
SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 5
unix_socket_dir =
"""


@contextmanager
def running(server: Postgres) -> Iterator[Postgres]:
    """Start a pooler with five connections to each database; give its address."""
    found, port = system.find(PACKAGE), free_port()
    if not found:
        raise FileNotFoundError(PACKAGE)
    with temporary("pooler") as folder:
        settings, log = folder / "pgbouncer.ini", folder / "log"
        settings.write_text(SETTINGS.format(server=server.port, port=port))
        for path in (folder, settings):
            if USER:
                shutil.chown(path, USER)
        with (
            log.open("wb") as output,
            kept(
                [found, str(settings)], folder=folder, stop="INT", user=USER, log=output
            ) as started,
        ):
            wait_for_port(port, started)
            yield Postgres(port)
