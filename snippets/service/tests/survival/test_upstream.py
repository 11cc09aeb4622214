"""What a gateway does between a client and a server, whose part a script takes here."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dev import gateway, processes
from dev.postgres import Postgres
from tests.conftest import database
from tests.fixtures.sample_data import BOB
from tests.survival.conftest import (
    Environment,
    Server,
    environment_of,
    locked,
    query,
    serving,
    wait_until,
)
from tests.survival.test_connections import answer, connect, until
from tests.survival.test_gateway import before, inner, outer, port_of, shared
from tests.system import require

require("gateway")
__all__ = ["inner", "outer", "shared"]
Part = Callable[[socket.socket], None]
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
SLOW = "proxy_read_timeout 30s"


@pytest.fixture(scope="module")
def patient(
    server: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Environment]]:
    """The service, which waits for a lock longer than a gateway does."""
    folder = tmp_path_factory.mktemp("patient")
    with database(server) as url:
        environment = environment_of(url, redis_url, folder)
        with serving(processes.uvicorn, environment, folder) as running:
            yield running, environment


@contextmanager
def scripted(folder: Path, *parts: Part) -> Iterator[Server]:
    """Run the gateway before a server whose connections take one part each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for part in parts:
                connection, _ = listener.accept()
                with closing(connection):
                    part(connection)

        serving = threading.Thread(target=serve)
        serving.start()
        with before(folder, listener.getsockname()[1]) as (front, _):
            yield front
            serving.join(60)


@pytest.mark.parametrize(
    ("path", "header"), [("events", ""), ("7", "X-Accel-Buffering: no\r\n")]
)
def test_an_event_arrives_before_the_stream_ends(
    tmp_path: Path, path: str, header: str
) -> None:
    read, order = threading.Event(), list[str]()

    def stream(connection: socket.socket) -> None:
        connection.recv(4096)
        head = f"HTTP/1.1 200 OK\r\n{header}\r\n"
        connection.sendall(head.encode() + b"data: 1\n\n")
        read.wait(5)
        order.append("the stream ends")

    with scripted(tmp_path, stream) as front, closing(connect(front)) as client:
        client.sendall(f"GET /users/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert b"data: 1" in until(client, b"data: 1")
        order.append("an event arrives")
        read.set()
    assert order == ["an event arrives", "the stream ends"]


def test_a_buffer_that_is_full_passes_at_once(tmp_path: Path) -> None:
    read, order = threading.Event(), list[str]()

    def stream(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"data: 1\n\n" * 2000)
        read.wait(60)
        order.append("the stream ends")

    with scripted(tmp_path, stream) as front, closing(connect(front)) as client:
        client.sendall(b"GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"data: 1" in until(client, b"data: 1")
        order.append("an event arrives")
        read.set()
    assert order == ["an event arrives", "the stream ends"]


# --8<-- [start:race]
AGAIN = [("GET", 204), ("PUT", 204), ("DELETE", 204)]
LOST = [("POST", 502), ("PATCH", 502)]


@pytest.mark.parametrize(("method", "status"), AGAIN + LOST)
def test_a_connection_that_the_server_closes_first_loses_a_change(
    tmp_path: Path, method: str, status: int
) -> None:
    def closes_at_the_second(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(EMPTY)
        connection.recv(4096)

    def answers(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(EMPTY)

    again = [answers] if status == 204 else []
    request = f"{method} /users/7 HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with (
        scripted(tmp_path, closes_at_the_second, *again) as front,
        closing(connect(front)) as client,
    ):
        assert [answer(client, request) for _ in range(2)] == [204, status]


# --8<-- [end:race]


def test_the_service_gives_up_before_the_gateway(
    outer: Server, shared: Environment
) -> None:
    with locked(shared["DATABASE_URL"], "LOCK TABLE users"), outer.client() as client:
        told = client.get("/users")
    assert (told.status_code, "X-Request-ID" in told.headers) == (503, True)


def test_a_gateway_that_gives_up_first_stops_no_change(
    patient: tuple[Server, Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inner, environment), hasty = patient, tmp_path / "hasty.conf"
    text = gateway.CONFIG.read_text()
    assert text.count(SLOW) == 1
    hasty.write_text(text.replace(SLOW, "proxy_read_timeout 1s"))
    monkeypatch.setattr(gateway, "CONFIG", hasty)
    url = environment["DATABASE_URL"]
    with (
        locked(url, "LOCK TABLE users") as lock,
        before(tmp_path, port_of(inner)) as (front, _),
        front.client() as client,
    ):
        assert client.post("/users", json=BOB).status_code == 504
        lock.commit()
        users = "SELECT count(*) FROM users"
        wait_until(lambda: asyncio.run(query(url, users)) == 1)
