"""A transaction pooler between the service and its database."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from dev import pooler, processes
from dev.mail import Inbox
from dev.postgres import Postgres
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import (
    NO_TLS,
    Environment,
    Reader,
    Server,
    serving,
    wait_until,
)
from tests.system import require

AT_ONCE = 200


@pytest.fixture
def pooled(server: Postgres, environment: Environment) -> Iterator[Environment]:
    """What processes read whose database is behind a pooler: one setting more."""
    require("pooler")
    direct = environment["DATABASE_URL"]
    with pooler.running(server) as between:
        url = between.url(direct.rpartition("/")[2])
        yield environment | {"DATABASE_URL": url, "DIRECT_DATABASE_URL": direct}


async def use(server: Server) -> Counter[int]:
    """Create, change, list and read users, all at once; return how often what came."""
    limits = httpx2.Limits(max_connections=AT_ONCE)
    headers = server.client().headers
    async with httpx2.AsyncClient(
        base_url=server.url, limits=limits, timeout=60, verify=NO_TLS, headers=headers
    ) as client:

        async def one(number: int) -> int:
            email = {"email": f"ann{number}@example.org"}
            match number % 4:
                case 0:
                    answer = await client.post("/users", json=ANN | email)
                case 1:
                    answer = await client.patch("/users/1", json=email)
                case 2:
                    answer = await client.get("/users")
                case _:
                    answer = await client.get("/users/1")
            return answer.status_code

        return Counter(await asyncio.gather(*map(one, range(AT_ONCE))))


# --8<-- [start:pooler]
def test_a_transaction_pooler_takes_one_setting(
    pooled: Environment, inbox: Inbox, tmp_path: Path
) -> None:
    pooled["CACHE_SECONDS"] = "0"
    with (
        (tmp_path / "log").open("wb") as log,
        serving(processes.gunicorn, pooled, tmp_path) as server,
        processes.relay(pooled, log),
        processes.worker(pooled, log),
        server.client() as client,
    ):
        assert client.post("/users", json=ANN).status_code == 201
        reader = Reader(server)
        assert reader.open.wait(30), reader.error
        statuses = asyncio.run(use(server))
        assert statuses == {200: AT_ONCE * 3 // 4, 201: AT_ONCE // 4}
        wait_until(lambda: len({event["kind"] for event in reader.events}) == 2)
        wait_until(lambda: len(inbox.mails) > 2)
        assert client.get("/readyz").status_code == 200


# --8<-- [end:pooler]
