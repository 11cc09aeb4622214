"""How much of a bare endpoint's throughput the service's read endpoint has."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import Server, ask, environment_of, serving

BARE = "tests.speed.bare:create_app"
AT_ONCE, EACH = 8, 20
RATIOS = {"cached": 0.7, "uncached": 0.6}
"""The first is as the service runs. The second is 0.75, and 0.65 on a busy machine."""
ROUNDS = 5
"""Short ones: a machine changes its speed, and all are to meet the same."""
TRIES = 5
"""What shares the caches costs the larger code more; it doesn't do so all the time."""


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


async def load(server: Server) -> float:
    """Read a user many times; return the seconds of the server's processor it took."""
    process = psutil.Process(server.program.pid)
    before = process.cpu_times()
    parts = (ask(server, ["GET /users/1"] * EACH) for _ in range(AT_ONCE))
    assert await asyncio.gather(*parts) == [[200] * EACH] * AT_ONCE
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


async def measured(servers: dict[str, Server]) -> dict[str, float]:
    """Return which part of the bare endpoint's throughput each server has."""
    spent = dict.fromkeys(servers, 0.0)
    for _ in range(ROUNDS):
        for name, server in servers.items():
            spent[name] += await load(server)
    return {name: spent["bare"] / seconds for name, seconds in spent.items()}


# --8<-- [start:ratio]
async def test_the_layers_cost_less_than_a_third(servers: dict[str, Server]) -> None:
    for _ in range(TRIES):
        ratios = await measured(servers)
        print(ratios)
        slow = [name for name, least in RATIOS.items() if ratios[name] < least]
        if not slow:
            break
    assert slow == []


# --8<-- [end:ratio]
