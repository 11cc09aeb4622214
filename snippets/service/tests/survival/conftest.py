"""The service as processes, and parts that go away and come back."""

import asyncio
import contextlib
import itertools
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx2
import pytest
import redis

from dev import mail, processes
from dev.keeper import Program
from dev.ports import free_port
from tests.conftest import OPERATOR, TOKEN_KEY, UNLIMITED

Environment = dict[str, str]
T = TypeVar("T")
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # loading certificates takes long
DATABASES = itertools.cycle(range(1, 16))
WAITS = "CONNECT", "POOL", "LOCK", "STATEMENT", "IDLE"
PATIENT = {f"{name}_TIMEOUT": "60" for name in WAITS}  # a busy machine is no outage


@dataclass
class Server:
    """A server process: its address and what it logs."""

    url: str
    program: Program
    log: Path

    def client(self, timeout: float = 60) -> httpx2.Client:
        """Return an operator's client, whose requests end after some seconds."""
        return httpx2.Client(
            base_url=self.url, timeout=timeout, verify=NO_TLS, headers=OPERATOR
        )


@pytest.fixture
def inbox() -> mail.Inbox:
    """The mails that arrive."""
    return mail.Inbox()


def environment_of(database_url: str, redis_url: str, folder: Path) -> Environment:
    """Return what processes read: parts of their own, and time for the database."""
    url = f"{redis_url.removesuffix('/0')}/{next(DATABASES)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()  # there are only 16, which take turns
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{processes.ROOT}/src:{processes.ROOT}",
        "TMPDIR": str(folder),
        "DATABASE_URL": database_url,
        "REDIS_URL": url,
        "TOKEN_KEY": TOKEN_KEY,
        "RELAY_INTERVAL": "0.1",
        "RELAY_RETRY_AFTER": "1.5",
        "MAIL_LIMIT": UNLIMITED,
        **PATIENT,
    }


@pytest.fixture
def environment(
    database_url: str, redis_url: str, inbox: mail.Inbox, tmp_path: Path
) -> Iterator[Environment]:
    """What the processes of one test read."""
    environment = environment_of(database_url, redis_url, tmp_path)
    with mail.running(inbox) as smtp_port:
        smtp = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp_port)}
        yield environment | smtp


@contextlib.contextmanager
def serving(
    start: Callable[..., contextlib.AbstractContextManager[Program]],
    environment: Environment,
    folder: Path,
    **options: str,
) -> Iterator[Server]:
    """Start a server, and give it once it answers."""
    port, log = free_port(), folder / "server.log"
    with (
        log.open("wb") as output,
        start(environment, port, output, **options) as program,
    ):
        server = Server(f"http://127.0.0.1:{port}", program, log)
        wait_until(lambda: answers(server) or not program.runs(), log.read_text)
        assert program.runs(), log.read_text()
        yield server


def answers(server: Server) -> bool:
    """Tell whether a server answers at all."""
    with contextlib.suppress(httpx2.TransportError), server.client() as client:
        return client.get("/healthz").is_success
    return False


def wait_until(
    true: Callable[[], object], why: Callable[[], str] = str, seconds: float = 30
) -> None:
    """Return once something is true; fail when it is not after some seconds."""
    for _ in range(int(seconds / 0.02)):  # a machine that is paused loses no time
        if true():
            return
        time.sleep(0.02)
    pytest.fail(f"not within {seconds} s: {why()}")


async def ask(server: Server, requests: Iterable[str]) -> list[int]:
    """Send requests such as `GET /` over one connection; return the statuses.

    It costs a tenth of what a client costs that knows all of HTTP.
    """
    port, statuses = int(server.url.rpartition(":")[2]), list[int]()
    headers = "".join(f"{name}: {value}\r\n" for name, value in OPERATOR.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(f"{request} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].split()[0]
        await reader.readexactly(int(length))
        statuses.append(int(head.split()[1]))
    writer.close()
    await writer.wait_closed()
    return statuses


async def query(url: str, statement: str) -> object:
    """Run a statement on a database; return the first value that it gives."""
    connection = await asyncpg.connect(url)
    try:
        value: object = await connection.fetchval(statement)
        return value
    finally:
        await connection.close()


class Lock:
    """A transaction that holds what one statement locks, until it is told to commit."""

    def __init__(self, url: str, statement: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.connection = self.run(asyncpg.connect(url))
        self.run(self.connection.execute("BEGIN"))
        self.run(self.connection.execute(statement))

    def run(self, awaitable: Coroutine[object, object, T]) -> T:
        """Wait for what the driver does."""
        return self.loop.run_until_complete(awaitable)

    def is_waited_for(self) -> bool:
        """Tell whether another connection waits for this one."""
        query = """SELECT 1 FROM pg_locks
            WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"""
        return bool(self.run(self.connection.fetch(query)))

    def commit(self) -> None:
        """Let the others go on."""
        self.run(self.connection.execute("COMMIT"))


@contextlib.contextmanager
def locked(url: str, statement: str) -> Iterator[Lock]:
    """Hold what a statement locks, until the end at the latest."""
    lock = Lock(url, statement)
    try:
        yield lock
    finally:
        lock.run(lock.connection.close())
        lock.loop.close()


class Reader(threading.Thread):
    """Reads a stream of events to its end."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.events = server, list[dict[str, object]]()
        self.open, self.error = threading.Event(), "it did not end"
        self.start()

    def run(self) -> None:
        """Collect the events; note how the stream ended."""
        try:
            with (
                self.server.client(timeout=60) as client,
                client.stream("GET", "/users/events") as answer,
            ):
                assert answer.is_success, answer.status_code
                self.open.set()
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.events.append(json.loads(line.removeprefix("data: ")))
            self.error = ""
        except (AssertionError, httpx2.TransportError) as error:
            self.error = repr(error)
