"""Many requests at once, on gunicorn with two processes."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import NO_TLS, Environment, Server, serving, wait_until

AT_ONCE = 200
ROUTES = r'route="(/users|/users/{user_id}|unmatched)"'


@pytest.fixture
def server(environment: Environment, tmp_path: Path) -> Iterator[Server]:
    """The service on gunicorn."""
    with serving(processes.gunicorn, environment, tmp_path) as server:
        yield server


def counted(server: Server) -> int:
    """Return how many requests to the users were counted, over both processes."""
    with server.client() as client:
        text = client.get("/metrics").text
    lines = re.findall(rf"http_requests_total{{.*{ROUTES}.*}} ([\d.]+)", text)
    return round(sum(float(number) for _, number in lines))


# --8<-- [start:load]
async def test_requests_at_once_are_answered_and_counted(server: Server) -> None:
    limits = httpx2.Limits(max_connections=AT_ONCE)
    async with httpx2.AsyncClient(
        base_url=server.url, limits=limits, timeout=20, verify=NO_TLS
    ) as client:

        async def one(number: int) -> int:
            user = {**ANN, "email": f"ann{number // 2}@example.org"}
            answer = await client.post("/users", json=user)
            if answer.status_code == 409:
                answer = await client.get(f"/users/{number // 2 + 10**6}")
            return answer.status_code

        statuses = Counter(await asyncio.gather(*map(one, range(AT_ONCE))))
    assert statuses == {201: AT_ONCE // 2, 404: AT_ONCE // 2}
    sent = AT_ONCE + AT_ONCE // 2
    wait_until(lambda: counted(server) == sent)  # after the answer, by a moment
    assert [counted(server) for _ in range(6)] == [sent] * 6


# --8<-- [end:load]


async def test_random_paths_make_no_series(server: Server) -> None:
    def series() -> set[str]:
        with server.client() as client:
            text = client.get("/metrics").text
        return set(re.findall(r"^(http_\w+{.*}) ", text, re.MULTILINE))

    async with httpx2.AsyncClient(base_url=server.url, verify=NO_TLS) as client:

        async def some(first: int, last: int) -> None:
            for number in range(first, last):
                await client.request("PUT" if number % 2 else "GET", f"/{number}/x")
                await client.get(f"/users/{number + 1}")

        await some(0, 2)
        wait_until(lambda: "unmatched" in str(series()))
        before = series()
        await asyncio.gather(*(some(n, n + 100) for n in range(1000, 2000, 100)))
    assert series() == before
    wait_until(lambda: counted(server) == 2004)
