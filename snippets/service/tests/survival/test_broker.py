"""A broker that is down, and one that accepts but never answers."""

import signal
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from dev import processes, valkey
from dev.mail import Inbox
from dev.ports import free_port
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Server, serving, wait_until

QUICK = timedelta(seconds=0.5)
"""The time in which each request must be answered."""


def use(server: Server, user: dict[str, str]) -> None:
    """Create a user and read it ten times, each quickly."""
    with server.client() as client:
        answer = client.post("/users", json=user)
        path = f"/users/{answer.json()['id']}"
        answers = [answer, *(client.get(path) for _ in range(10))]
    assert all(answer.is_success for answer in answers)
    assert max(answer.elapsed for answer in answers) < QUICK


# --8<-- [start:broker]
def test_requests_stay_fast_and_jobs_arrive_later(
    environment: Environment, inbox: Inbox, tmp_path: Path
) -> None:
    port = free_port()
    environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    with ExitStack() as stack:
        log = stack.enter_context((tmp_path / "log").open("wb"))
        stack.enter_context(processes.relay(environment, log))
        server = stack.enter_context(serving(processes.uvicorn, environment, tmp_path))
        use(server, ANN)

        _, broker = stack.enter_context(valkey.running(port))
        stack.enter_context(processes.worker(environment, log))
        wait_until(lambda: len(inbox.mails) == 1, (tmp_path / "log").read_text)

        broker.signal(signal.SIGSTOP)
        failures = (tmp_path / "log").read_text().count("broker_unreachable")
        use(server, BOB)
        read = (tmp_path / "log").read_text
        wait_until(lambda: read().count("broker_unreachable") > failures, read)
        broker.signal(signal.SIGCONT)
        wait_until(lambda: len(inbox.mails) == 2, (tmp_path / "log").read_text)
    assert [mail["To"] for mail in inbox.mails] == [ANN["email"], BOB["email"]]


# --8<-- [end:broker]
