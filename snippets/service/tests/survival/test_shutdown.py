"""SIGTERM, while a request and a stream are in flight."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest

from dev import processes
from dev.keeper import Program
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Server, serving, wait_until

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


class Reader(threading.Thread):
    """Reads a stream of events to its end."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.events = server, list[dict[str, object]]()
        self.open, self.error = threading.Event(), "it did not end"
        self.start()

    def run(self) -> None:
        """Collect the events; note how the stream ended."""
        try:
            with (
                self.server.client(timeout=20) as client,
                client.stream("GET", "/users/events") as answer,
            ):
                self.open.set()
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        self.events.append(json.loads(line.removeprefix("data: ")))
            self.error = ""
        except httpx2.TransportError as error:
            self.error = repr(error)


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


def test_a_stream_tells_what_happens_in_another_process(
    environment: Environment, tmp_path: Path
) -> None:
    with serving(processes.gunicorn, environment, tmp_path) as server:
        reader = Reader(server)
        assert reader.open.wait(5)
        with server.client() as client:
            for number in range(4):
                user = {**ANN, "email": f"ann{number}@example.org"}
                assert client.post("/users", json=user).status_code == 201
            client.patch("/users/1", json=BOB)
        wait_until(lambda: len(reader.events) == 5, lambda: str(reader.events))
    created = [{"kind": "created", "user_id": number} for number in range(1, 5)]
    assert reader.events == [*created, {"kind": "changed", "user_id": 1}]
