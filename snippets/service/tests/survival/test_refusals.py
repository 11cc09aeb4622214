"""What clients may ask and what is refused, on a server that runs."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from httpx2 import (
    AsyncBaseTransport,
    AsyncByteStream,
    AsyncClient,
    Headers,
    Request,
    Response,
)
from pydantic import SecretStr

from accounts.config import ServerSettings
from dev import processes
from dev.postgres import Postgres
from tests import test_handlers, test_tokens
from tests.conftest import OPERATOR, TOKEN_KEY, database
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import (
    Server,
    environment_of,
    locked,
    query,
    serving,
    wait_until,
)

FIRST = """INSERT INTO users (email, display_name)
    VALUES ('ann@example.org', 'The first')"""
EMPTY = "TRUNCATE users, outbox RESTART IDENTITY"


class Wire(AsyncBaseTransport):
    """Sends what it is told, also what no client would, until there is an answer."""

    async def handle_async_request(self, request: Request) -> Response:
        """Send a request over a connection of its own."""
        reader, writer = await asyncio.open_connection(
            request.url.host, request.url.port
        )
        answering = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        start = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()
        headers = [name + b": " + value for name, value in request.headers.raw]
        writer.write(b"\r\n".join([start, *headers, b"", b""]))
        chunked = "Transfer-Encoding" in request.headers
        assert isinstance(request.stream, AsyncByteStream)
        async for part in request.stream:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0)
            if answering.done():
                break
        first, *lines = (await answering).decode().splitlines()
        told = (line.partition(": ") for line in lines if line)
        answer = Headers([(name, value) for name, _, value in told])
        content = await reader.readexactly(int(answer["Content-Length"]))
        writer.close()
        return Response(int(first.split()[1]), headers=answer, content=content)


@pytest.fixture(scope="module")
def url(server: Postgres) -> Iterator[str]:
    """The database of this file."""
    with database(server) as url:
        yield url


@pytest.fixture(scope="module")
def served(
    url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The service on uvicorn, for all tests of this file."""
    folder = tmp_path_factory.mktemp("refusals")
    environment = environment_of(url, redis_url, folder) | {"CACHE_SECONDS": "0"}
    with serving(processes.uvicorn, environment, folder) as running:
        yield running


@pytest.fixture
def settings(url: str, redis_url: str) -> ServerSettings:
    """The settings of the server, where they are not the default."""
    return ServerSettings(
        database_url=SecretStr(url),
        redis_url=SecretStr(redis_url),
        token_key=SecretStr(TOKEN_KEY),
    )


@pytest.fixture
async def client(served: Server, url: str) -> AsyncIterator[AsyncClient]:
    """A client of the server, which has no users yet."""
    await query(url, EMPTY)
    async with AsyncClient(
        base_url=served.url, transport=Wire(), headers=OPERATOR
    ) as client:
        yield client


# --8<-- [start:replayed]
# The tests of the app in this process run again here, with the client from above.
for module in (test_handlers, test_tokens):
    for name, one in vars(module).items():
        if name.startswith("test_") and "app" not in inspect.signature(one).parameters:
            globals()[name] = one
# --8<-- [end:replayed]


# --8<-- [start:twins]
async def test_one_of_two_creations_at_once_is_refused(client: AsyncClient) -> None:
    both = await asyncio.gather(*(client.post("/users", json=ANN) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [201, 409]
    (user,) = (await client.get("/users")).json()["users"]
    assert user["email"] == ANN["email"]


@pytest.mark.usefixtures("client")
def test_a_creation_waits_for_the_other_one_to_be_committed(
    served: Server, url: str
) -> None:
    statuses = list[int]()

    def create() -> None:
        with served.client() as client:
            statuses.append(client.post("/users", json=ANN).status_code)

    with locked(url, FIRST) as lock:
        second = threading.Thread(target=create)
        second.start()
        wait_until(lock.is_waited_for)
        assert statuses == []
        lock.commit()
        second.join(60)
    assert statuses == [409]


# --8<-- [end:twins]
