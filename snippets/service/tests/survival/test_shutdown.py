"""SIGTERM, while a request and a stream are in flight."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import asyncpg
import pytest

from dev import processes
from dev.keeper import Program
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Reader, serving

Start = Callable[..., AbstractContextManager[Program]]


@contextmanager
def locked(url: str, user_id: int) -> Iterator[None]:
    """Hold a user's row, so that a change of it waits."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(url))
    loop.run_until_complete(connection.execute("BEGIN"))
    query = "SELECT 1 FROM users WHERE id = $1 FOR UPDATE"
    loop.run_until_complete(connection.execute(query, user_id))
    try:
        yield
    finally:
        loop.run_until_complete(connection.close())
        loop.close()


# --8<-- [start:sigterm]
@pytest.mark.parametrize("start", [processes.uvicorn, processes.gunicorn])
def test_a_request_ends_and_a_stream_is_ended(
    start: Start, environment: Environment, tmp_path: Path
) -> None:
    with serving(start, environment, tmp_path) as server, server.client() as client:
        reader = Reader(server)
        user_id = client.post("/users", json=ANN).json()["id"]
        assert reader.open.wait(5)
        statuses = list[int]()

        def change() -> None:
            with server.client() as client:
                answer = client.patch(f"/users/{user_id}", json=BOB)
            statuses.append(answer.status_code)

        with locked(environment["DATABASE_URL"], user_id):
            request = threading.Thread(target=change)
            request.start()
            time.sleep(0.3)
            server.program.signal(signal.SIGTERM)
            reader.join(3)
            assert reader.error == ""
            assert statuses == []
        request.join(5)
        assert statuses == [200]
        assert server.program.wait(5) in (0, 143)


# --8<-- [end:sigterm]
