"""How much of a bare endpoint's throughput the service's read endpoint has."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import Server, environment_of, serving

BARE = "tests.speed.bare:create_app"
AT_ONCE, EACH, ROUNDS = 8, 40, 2


@pytest.fixture
def servers(
    database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[dict[str, Server]]:
    """The service with its cache and without it, and the bare endpoint."""
    environment = environment_of(database_url, redis_url, tmp_path)
    uncached = environment | {"CACHE_SECONDS": "0"}
    with ExitStack() as stack:
        started = {}
        for name, told, options in (
            ("bare", environment, {"app": BARE}),
            ("uncached", uncached, {}),
            ("cached", environment, {}),
        ):
            (tmp_path / name).mkdir()
            running = serving(processes.uvicorn, told, tmp_path / name, **options)
            started[name] = stack.enter_context(running)
        with started["cached"].client() as client:
            assert client.post("/users", json=ANN).is_success
        yield started


async def load(server: Server) -> float:
    """Read a user many times; return the requests per second of the server's CPU."""
    request = b"GET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n"
    process = psutil.Process(server.program.pid)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(server.url.rpartition(":")[2])
        )
        for _ in range(EACH):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = head.lower().partition(b"content-length: ")[2].split()[0]
            await reader.readexactly(int(length))
        writer.close()
        await writer.wait_closed()

    before = process.cpu_times()
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return AT_ONCE * EACH / spent


# --8<-- [start:ratio]
async def test_the_layers_cost_less_than_a_third(servers: dict[str, Server]) -> None:
    best = dict.fromkeys(servers, 0.0)
    for _ in range(ROUNDS):
        for name, server in servers.items():
            best[name] = max(best[name], await load(server))
    ratios = {name: round(rate / best["bare"], 2) for name, rate in best.items()}
    print(best, ratios)
    assert ratios["uncached"] >= 0.7
    assert ratios["cached"] >= 0.7


# --8<-- [end:ratio]
