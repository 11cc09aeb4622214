"""A server that is killed in the middle of a request, which then comes again."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import (
    Environment,
    Server,
    locked,
    query,
    serving,
    wait_until,
)

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
HELD = "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"


def post(server: Server) -> httpx2.Response:
    """Ask for a user with a key."""
    with server.client() as client:
        return client.post("/users", json=ANN, headers=KEY)


# --8<-- [start:killed]
def test_a_server_that_is_killed_leaves_nothing_and_the_next_one_does_it(
    environment: Environment, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "next").mkdir()
    with (
        ThreadPoolExecutor() as pool,
        serving(processes.uvicorn, environment, tmp_path) as killed,
        locked(database_url, HELD) as lock,
    ):
        asked = pool.submit(post, killed)
        wait_until(lock.is_waited_for)  # the user is written, its message isn't
        killed.program.signal(signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            asked.result()
        lock.commit()
        with serving(processes.uvicorn, environment, tmp_path / "next") as server:
            first, again = post(server), post(server)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    for table in ("users", "outbox", "idempotency_keys"):
        count = query(database_url, f"SELECT count(*) FROM {table}")  # noqa: S608  known
        assert asyncio.run(count) == 1


# --8<-- [end:killed]
