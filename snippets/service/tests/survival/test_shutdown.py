"""SIGTERM, while a request and a stream are in flight."""

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from dev import processes
from dev.keeper import Program
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Reader, locked, serving, wait_until

Start = Callable[..., AbstractContextManager[Program]]


# --8<-- [start:sigterm]
@pytest.mark.parametrize(
    ("start", "status"), [(processes.uvicorn, 143), (processes.gunicorn, 0)]
)
def test_a_request_ends_and_a_stream_is_ended(
    start: Start, status: int, environment: Environment, tmp_path: Path
) -> None:
    with serving(start, environment, tmp_path) as server, server.client() as client:
        reader = Reader(server)
        user_id = client.post("/users", json=ANN).json()["id"]
        assert reader.open.wait(30)
        statuses = list[int]()

        def change() -> None:
            with server.client() as client:
                answer = client.patch(f"/users/{user_id}", json=BOB)
            statuses.append(answer.status_code)

        rows = "SELECT 1 FROM users FOR UPDATE"
        with locked(environment["DATABASE_URL"], rows) as lock:
            request = threading.Thread(target=change)
            request.start()
            wait_until(lock.is_waited_for)
            server.program.signal(signal.SIGTERM)
            reader.join(15)  # within the 20 s that the request has
            assert reader.error == ""
            assert statuses == []
        request.join(30)
        assert statuses == [200]
        assert server.program.wait(30) == status


# --8<-- [end:sigterm]
