"""Clients that connect and then say nothing, or little."""

import http.client
import itertools
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dev import processes
from dev.postgres import Postgres
from tests.conftest import database
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import (
    Environment,
    Reader,
    Server,
    environment_of,
    serving,
    wait_until,
)

IDLE = 2300
HEAD = b"POST /users HTTP/1.1\r\nHost: a\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process open what a client of many connections needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 500:
        pytest.skip("NO MANY CONNECTIONS: raise the limit of open files")  # as root
    resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 500, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(server: Server) -> socket.socket:
    """Connect, and give up after a minute without an answer."""
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), 60)


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    said = b""
    try:
        while part := connection.recv(4096):
            said += part
    except ConnectionResetError:
        pass
    return said


def until(connection: socket.socket, words: bytes) -> bytes:
    """Return what comes until some words stand in it, or until the end."""
    said = b""
    while words not in said and (part := connection.recv(4096)):
        said += part
    return said


def answer(connection: socket.socket, request: bytes) -> int:
    """Send a request and read the whole answer; return its status."""
    connection.sendall(request)
    told = http.client.HTTPResponse(connection)
    told.begin()
    told.read()
    return told.status


def closed(server: Server, reason: str) -> int:
    """Return how many connections the server closed for a reason."""
    with server.client() as client:
        text = client.get("/metrics").text
    found = re.search(
        rf'(?m)^connections_closed_total{{reason="{reason}"}} ([\d.]+)', text
    )
    return round(float(found[1])) if found else 0


# --8<-- [start:idle]
@pytest.mark.usefixtures("many_files")
def test_idle_connections_stop_nothing(
    environment: Environment, tmp_path: Path
) -> None:
    environment |= {"WEB_CONCURRENCY": "1", "REQUEST_TIMEOUT": "600"}
    with (
        serving(processes.gunicorn, environment, tmp_path, files="1024") as server,
        ExitStack() as stack,
        server.client() as client,
    ):
        reader = Reader(server)
        assert reader.open.wait(60)
        for _ in range(IDLE):
            stack.enter_context(closing(connect(server)))
        assert client.post("/users", json=ANN).status_code == 201
        wait_until(lambda: reader.events)  # a stream is no idle connection
        assert client.get("/readyz").status_code == 200
        assert closed(server, "full") > IDLE - 1024
        assert "out of system resource" not in server.log.read_text()


# --8<-- [end:idle]


@pytest.fixture(scope="module")
def hasty(
    server: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that waits half a second for a request."""
    folder = tmp_path_factory.mktemp("hasty")
    with database(server) as url:
        environment = environment_of(url, redis_url, folder)
        environment["REQUEST_TIMEOUT"] = "0.5"
        with serving(processes.gunicorn, environment, folder) as running:
            yield running


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        *itertools.product([b""], [b"", b"GET ", HEAD, BODY]),
        *itertools.product(
            [WHOLE], [b"GET ", HEAD, BODY]
        ),  # it is kept open until then
    ],
)
def test_who_sends_no_whole_request_is_let_go(
    hasty: Server, before: bytes, sent: bytes
) -> None:
    count = closed(hasty, "slow")
    with closing(connect(hasty)) as connection:
        if before:
            assert answer(connection, before) == 200
        connection.sendall(sent)
        assert rest(connection) == b""
    assert closed(hasty, "slow") == count + 1


def test_who_trickles_is_let_go(hasty: Server) -> None:
    with closing(connect(hasty)) as connection:
        connection.settimeout(0.05)
        for byte in BODY * 20:
            try:
                connection.sendall(bytes([byte]))
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it was never let go")


def test_who_has_sent_a_request_may_wait(hasty: Server) -> None:
    with closing(connect(hasty)) as kept, hasty.client() as client:
        reader = Reader(hasty)
        assert answer(kept, WHOLE) == 200
        assert reader.open.wait(60)
        with closing(connect(hasty)) as silent:
            assert rest(silent) == b""  # the others are older
        assert answer(kept, WHOLE) == 200
        client.post("/users", json=ANN)
        wait_until(lambda: reader.events)
