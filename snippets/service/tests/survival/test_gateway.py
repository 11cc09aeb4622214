"""The gateway's contract, held by a real nginx with the file of `deploy/`."""

import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from accounts.api import handlers, health
from dev import gateway, processes
from dev.keeper import Program
from dev.ports import free_port
from dev.postgres import Postgres
from dev.system import find
from tests.conftest import database
from tests.fixtures.sample_data import BOB
from tests.survival.conftest import (
    PATIENT,
    Environment,
    Reader,
    Server,
    environment_of,
    serving,
    wait_until,
)
from tests.survival.test_connections import IDLE, connect, many_files, until
from tests.system import require

require("gateway")
__all__ = ["many_files"]
HIDDEN = [
    *["/metrics", "/metrics/", "/metrics?", "/%6detrics", "//metrics", "/x/../metrics"],
    *["/users/../metrics", "/users/..%2fmetrics", "/users/%2e%2e/metrics"],
    *["/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/openapi%2ejson"],
    *["/healthz", "/readyz", "/", "/index.html"],
]
MISSPELT = [
    *["01", "+1", "-1", "0", "1/", "1.0", "%31", "1%20", "%201", "1;a", "./1", "/1"],
    *["1%0a", "%EF%BC%91", "1_0", "1e0", "0x1", "1//", "1/events", "1" * 20],
]


def port_of(server: Server) -> int:
    """Return the port of a server."""
    return int(server.url.rpartition(":")[2])


@contextmanager
def before(
    folder: Path, *servers: int, limit: int = 100
) -> Iterator[tuple[Server, Program]]:
    """Run the gateway before some servers; give its address, and its process."""
    port, log = free_port(), folder / "nginx.log"
    with (
        log.open("wb") as output,
        gateway.running(folder, port, servers, output, limit) as program,
    ):
        yield Server(f"http://127.0.0.1:{port}", program, log), program


@pytest.fixture(scope="module")
def shared(
    server: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """What the processes of this file read: the limits are those of production."""
    with database(server) as url:
        told = environment_of(url, redis_url, tmp_path_factory.mktemp("gateway"))
        yield {name: value for name, value in told.items() if name not in PATIENT}


@pytest.fixture(scope="module")
def inner(shared: Environment) -> Iterator[Server]:
    """The service, without the gateway."""
    with serving(processes.gunicorn, shared, Path(shared["TMPDIR"])) as running:
        yield running


@pytest.fixture(scope="module")
def outer(inner: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service, through the gateway."""
    with before(tmp_path_factory.mktemp("outer"), port_of(inner)) as (running, _):
        yield running


def head(server: Server, request: str) -> tuple[int, str]:
    """Send a request as it stands; return the status and the head of the answer."""
    with closing(connect(server)) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        said = until(connection, b"\r\n\r\n")
    told = said.partition(b"\r\n\r\n")[0].decode()
    return int(told.split()[1]), told


def by_service(told: str) -> bool:
    """Tell whether the service answered, and not the gateway."""
    return "x-request-id:" in told.lower()


def routes(module: object) -> list[tuple[str, str]]:
    """Return the methods and paths of a router, with an id where one belongs."""
    found = [one for one in vars(module)["router"].routes if isinstance(one, APIRoute)]
    return [
        (method, re.sub(r"{\w*_id}", "7", one.path))
        for one in found
        for method in sorted(one.methods or ())
    ]


@pytest.mark.parametrize(("method", "path"), routes(handlers))
def test_each_route_for_clients_is_reached(
    outer: Server, method: str, path: str
) -> None:
    for query in ("", "?a=%20b"):
        _, told = head(outer, f"{method} {path}{query}")
        assert by_service(told), told


@pytest.mark.parametrize("path", [path for _, path in routes(health)] + HIDDEN)
def test_what_is_for_operators_is_not_found(outer: Server, path: str) -> None:
    for target in (path, f"http://a{path}"):
        status, told = head(outer, f"GET {target}")
        assert (status, by_service(told)) in {(404, False), (400, False)}, told


@pytest.mark.parametrize("spelt", MISSPELT)
def test_an_id_has_one_spelling(outer: Server, spelt: str) -> None:
    status, told = head(outer, f"GET /users/{spelt}")
    assert (status, by_service(told)) == (404, False), told


def test_nginx_can_read_the_file(tmp_path: Path) -> None:
    config = gateway.write(tmp_path, free_port(), [free_port()])
    nginx = find("nginx") or "nginx"

    def checked(command: str) -> tuple[bool, str]:
        done = subprocess.run(
            ["sh", "-c", command],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        return done.returncode == 0, done.stderr

    command = f'{nginx} -t -c "$PWD/nginx.conf"'
    assert checked(command)[0]
    assert str(config) not in checked(f"{nginx} -t -c nginx.conf")[1], "it is another"
    config.write_text(config.read_text().replace("limit_conn clients", "limit clients"))
    assert not checked(command)[0]


def test_a_large_body_ends_at_the_gateway(outer: Server) -> None:
    status, told = head(outer, "POST /users HTTP/1.1\r\nContent-Length: 70000\r\nX: x")
    assert (status, by_service(told)) == (413, False), told


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[[bytes], list[str]]]:
    """Give what arrives behind the gateway when a request is sent, as sorted lines."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        heads = list[bytes]()

        def take() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                heads.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        def send(request: bytes) -> list[str]:
            taking = threading.Thread(target=take)
            taking.start()
            with closing(connect(front)) as connection:
                connection.sendall(request)
                connection.recv(4096)
            taking.join(60)
            return sorted(heads.pop().decode().split("\r\n")[1:])

        with before(tmp_path, port) as (front, _):
            yield send


def test_what_a_client_says_of_itself_is_replaced(
    told: Callable[[bytes], list[str]],
) -> None:
    lies = (
        b"GET /users HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"
        b"Forwarded: for=192.0.2.1\r\nX-Request-ID: mine\r\nX-Other: stays\r\n\r\n"
    )
    lines = [line for line in told(lies) if line]
    (known_as,) = [line for line in lines if line.startswith("X-Request-ID: ")]
    assert re.fullmatch(r"X-Request-ID: [0-9a-f]{32}", known_as)
    assert [line for line in lines if line != known_as] == [
        "Host: shop.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: http",
        "X-Other: stays",
    ]


def test_a_stream_passes_at_once(outer: Server) -> None:
    reader = Reader(outer)
    assert reader.open.wait(60)
    with outer.client() as client:
        assert client.post("/users", json=BOB).status_code == 201
    wait_until(lambda: reader.events)


@pytest.mark.usefixtures("many_files")
def test_idle_clients_do_not_reach_the_service(outer: Server, inner: Server) -> None:
    with ExitStack() as stack, outer.client() as client, inner.client() as direct:
        for _ in range(IDLE):
            stack.enter_context(closing(connect(outer)))
        assert client.get("/users").status_code == 200
        text = direct.get("/metrics").text
    assert 'connections_closed_total{reason="full"}' not in text


def test_one_client_has_a_share_of_the_connections(
    inner: Server, tmp_path: Path
) -> None:
    with before(tmp_path, port_of(inner), limit=2) as (front, _):
        readers = [Reader(front) for _ in range(2)]
        assert all(reader.open.wait(60) for reader in readers)
        assert head(front, "GET /users")[0] == 429


# --8<-- [start:leave]
def test_a_server_that_leaves_the_gateway_first_loses_no_request(
    inner: Server, shared: Environment, tmp_path: Path
) -> None:
    folder, statuses, done = tmp_path / "other", list[int](), threading.Event()
    folder.mkdir()

    def ask() -> None:
        while not done.is_set():
            statuses.append(head(front, "PATCH /users/7")[0])

    with (
        serving(processes.gunicorn, shared, folder) as other,
        before(tmp_path, port_of(inner), port_of(other)) as (front, nginx),
    ):
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: len(statuses) > 50)
        gateway.write(tmp_path, port_of(front), [port_of(inner)])
        old = children(nginx)
        nginx.signal(signal.SIGHUP)
        wait_until(lambda: not old & children(nginx))  # what it sent is answered
        other.program.signal(signal.SIGTERM)
        assert other.program.wait(60) == 0
        before_end = len(statuses)
        wait_until(lambda: len(statuses) > before_end + 50)
        done.set()
        for client in clients:
            client.join(60)
    assert set(statuses) == {401}


# --8<-- [end:leave]


def children(program: Program) -> set[str]:
    """Return the processes that a program started."""
    task = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    return set(task.read_text().split())


# --8<-- [start:keeps]
def test_the_gateway_waits_longer_than_the_service_and_keeps_less() -> None:
    config = gateway.CONFIG.read_text()
    (kept,) = re.findall(r"keepalive_timeout (\d+)s; # shorter", config)
    served = (processes.ROOT / "gunicorn.conf.py").read_text()
    (keeps,) = re.findall(r"(?m)^keepalive = (\d+)", served)
    assert int(kept) < int(keeps)


# --8<-- [end:keeps]
