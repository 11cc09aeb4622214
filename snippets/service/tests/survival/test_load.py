"""Many requests at once, on gunicorn with two processes."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from dev import processes
from dev.postgres import Postgres
from tests.conftest import OPERATOR, database
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import (
    NO_TLS,
    Environment,
    Reader,
    Server,
    ask,
    environment_of,
    serving,
    wait_until,
)

AT_ONCE = 200
ROUTES = r'route="(/users|/users/{user_id}|unmatched)"'


@pytest.fixture(scope="module")
def shared(
    server: Postgres, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """What the processes of this file read."""
    folder = tmp_path_factory.mktemp("load")
    with database(server) as url:
        yield environment_of(url, redis_url, folder)


@pytest.fixture(scope="module")
def served(shared: Environment) -> Iterator[Server]:
    """The service on gunicorn, for all tests of this file."""
    with serving(processes.gunicorn, shared, Path(shared["TMPDIR"])) as running:
        yield running


def counted(served: Server) -> int:
    """Return how many requests to the users were counted, over both processes."""
    with served.client() as client:
        text = client.get("/metrics").text
    lines = re.findall(rf"http_requests_total{{.*{ROUTES}.*}} ([\d.]+)", text)
    return round(sum(float(number) for _, number in lines))


# --8<-- [start:load]
async def test_requests_at_once_are_answered_and_counted(served: Server) -> None:
    before = counted(served)
    limits = httpx2.Limits(max_connections=AT_ONCE)
    async with httpx2.AsyncClient(
        base_url=served.url,
        limits=limits,
        timeout=60,
        verify=NO_TLS,
        headers=OPERATOR,
    ) as client:

        async def one(number: int) -> int:
            user = {**ANN, "email": f"ann{number // 2}@example.org"}
            answer = await client.post("/users", json=user)
            if answer.status_code == 409:
                answer = await client.get(f"/users/{number // 2 + 10**6}")
            return answer.status_code

        statuses = Counter(await asyncio.gather(*map(one, range(AT_ONCE))))
    assert statuses == {201: AT_ONCE // 2, 404: AT_ONCE // 2}
    sent = before + AT_ONCE + AT_ONCE // 2
    wait_until(lambda: counted(served) == sent)  # after the answer, by a moment
    assert [counted(served) for _ in range(6)] == [sent] * 6


# --8<-- [end:load]


# --8<-- [start:ready]
async def test_it_is_ready_while_many_requests_wait_for_a_connection(
    served: Server,
) -> None:
    asked = ["GET /users?limit=100"] * 2
    loads = [ask(served, asked) for _ in range(150)]
    probes = [ask(served, ["GET /readyz"]) for _ in range(10)]
    answers = await asyncio.gather(*loads, *probes)
    assert {status for statuses in answers for status in statuses} == {200}


# --8<-- [end:ready]


async def test_random_paths_make_no_series(served: Server) -> None:
    def series() -> set[str]:
        with served.client() as client:
            text = client.get("/metrics").text
        return set(re.findall(r"^(http_\w+{.*}) ", text, re.MULTILINE))

    def some(first: int, last: int) -> Iterator[str]:
        for number in range(first, last):
            yield f"{'PUT' if number % 2 else 'GET'} /{number}/x"
            yield f"GET /users/{number + 10**6}"

    sent = counted(served)
    assert await ask(served, some(0, 2)) == [404] * 4
    wait_until(lambda: counted(served) == sent + 4)
    before = series()
    parts = [some(first, first + 100) for first in range(1000, 2000, 100)]
    answers = await asyncio.gather(*(ask(served, part) for part in parts))
    assert answers == [[404] * 200] * 10
    assert series() == before
    wait_until(lambda: counted(served) == sent + 2004)


def test_a_stream_tells_what_happens_in_another_process(
    served: Server, shared: Environment, tmp_path: Path
) -> None:
    with (
        serving(processes.uvicorn, shared, tmp_path) as another,
        another.client() as client,
    ):
        reader = Reader(served)
        assert reader.open.wait(30)  # its process listens, or it would not answer yet
        for number in range(4):
            user = {**ANN, "email": f"bob{number}@example.org"}
            created = client.post("/users", json=user).json()
        client.patch(f"/users/{created['id']}", json={"display_name": "Rob"})
        wait_until(lambda: len(reader.events) == 5, lambda: str(reader.events))
    assert [event["kind"] for event in reader.events] == ["created"] * 4 + ["changed"]
    assert reader.events[-1]["user_id"] == created["id"]
