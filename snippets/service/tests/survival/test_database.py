"""A database that goes away and comes back while requests arrive."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev import postgres, processes
from dev.ports import free_port
from dev.postgres import Postgres
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Server, serving, wait_until


class Load(threading.Thread):
    """Sends requests until it is told to stop."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.statuses = server, Counter[int]()
        self.enough = threading.Event()
        self.start()

    def run(self) -> None:
        """Read a page again and again; a request that fails raises."""
        with self.server.client() as client:
            while not self.enough.wait(0.005):
                self.statuses[client.get("/users").status_code] += 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a database that is stopped and started."""
    with postgres.empty_folder() as folder:
        yield folder


# --8<-- [start:database]
def test_it_answers_503_and_recovers_without_a_restart(
    environment: Environment, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    environment["DATABASE_URL"] = Postgres(port).url("postgres")
    with ExitStack() as stack:
        with postgres.serving(folder, port, keep=True):
            processes.migrate(environment["DATABASE_URL"])
            started = serving(processes.uvicorn, environment, tmp_path)
            server = stack.enter_context(started)
            client = stack.enter_context(server.client())
            assert client.post("/users", json=ANN).status_code == 201
            load = Load(server)
            wait_until(lambda: load.statuses[200] > 20)
        wait_until(lambda: load.statuses[503] > 20)
        refused = client.post("/users", json=BOB)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200

        with postgres.serving(folder, port, keep=True):
            before = load.statuses[200]
            wait_until(lambda: load.statuses[200] > before + 20)
            load.enough.set()
            load.join()
            assert load.statuses.keys() == {200, 503}
            assert client.post("/users", json=BOB).status_code == 201

        with postgres.serving(folder, port):  # away while nobody asked
            assert client.get("/users").status_code == 200
            assert client.get("/readyz").status_code == 200


# --8<-- [end:database]
