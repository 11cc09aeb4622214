"""How much of a bare endpoint's throughput the service's read endpoint has."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from operator import truediv
from pathlib import Path

import psutil
import pytest

from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import Server, ask, environment_of, serving

BARE = "tests.speed.bare:create_app"
AT_ONCE, EACH = 8, 40
RATIO = 0.7
LEAST, MOST = 2, 6
"""Rounds; each can only be slowed by what else the machine does, so the best counts."""


@pytest.fixture
def servers(
    database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[dict[str, Server]]:
    """The service with its cache and without it, and the bare endpoint."""
    environment = environment_of(database_url, redis_url, tmp_path)
    bare = environment | {"UVICORN_ACCESS_LOG": "false"}
    uncached = environment | {"CACHE_SECONDS": "0"}
    with ExitStack() as stack:
        started = {}
        for name, told, options in (
            ("bare", bare, {"app": BARE}),
            ("uncached", uncached, {}),
            ("cached", environment, {}),
        ):
            (tmp_path / name).mkdir()
            running = serving(processes.uvicorn, told, tmp_path / name, **options)
            started[name] = stack.enter_context(running)
        with started["cached"].client() as client:
            assert client.post("/users", json=ANN).is_success
        yield started


async def load(server: Server) -> list[float]:
    """Read a user many times; return the requests per second, and per second of CPU."""
    process = psutil.Process(server.program.pid)
    started, before = time.perf_counter(), process.cpu_times()
    parts = (ask(server, ["GET /users/1"] * EACH) for _ in range(AT_ONCE))
    assert await asyncio.gather(*parts) == [[200] * EACH] * AT_ONCE
    passed, after = time.perf_counter() - started, process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return [AT_ONCE * EACH / passed, AT_ONCE * EACH / spent]


# --8<-- [start:ratio]
async def test_the_layers_cost_less_than_a_third(servers: dict[str, Server]) -> None:
    best = {name: [0.0, 0.0] for name in servers}
    lowest, rounds = 0.0, 0
    while rounds < LEAST or (lowest < RATIO and rounds < MOST):
        for name, server in servers.items():
            best[name] = list(map(max, best[name], await load(server)))
        rounds += 1
        ratios = {name: list(map(truediv, best[name], best["bare"])) for name in best}
        lowest = min(map(min, ratios.values()))
    print(rounds, best, ratios)
    assert lowest >= RATIO


# --8<-- [end:ratio]
