"""A broker that is down, and one that accepts but never answers."""

import signal
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import redis

from accounts.cache import PATIENCE
from dev import processes, valkey
from dev.mail import Inbox
from dev.ports import free_port
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, Server, serving, wait_until

QUICK = timedelta(seconds=1.5)
"""The time in which each request must be answered; a broker is given 2 s and more."""


def use(server: Server, user: dict[str, str]) -> timedelta:
    """Create a user and read it ten times, each quickly; return the longest time."""
    with server.client() as client:
        answer = client.post("/users", json=user)
        path = f"/users/{answer.json()['id']}"
        answers = [answer, *(client.get(path) for _ in range(10))]
    assert all(answer.is_success for answer in answers)
    longest = max(answer.elapsed for answer in answers)
    assert longest < QUICK
    return longest


def is_used_as_cache(environment: Environment, server: Server) -> bool:
    """Read a user, and tell whether the service kept it."""
    time.sleep(0.1)
    with (
        server.client() as client,
        redis.Redis.from_url(environment["REDIS_URL"]) as cache,
    ):
        assert client.get("/users/1").is_success
        return bool(cache.keys("accounts:test_*:user:1"))


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

        wait_until(lambda: is_used_as_cache(environment, server))

        broker.signal(signal.SIGSTOP)
        failures = (tmp_path / "log").read_text().count("broker_unreachable")
        assert use(server, BOB).total_seconds() >= PATIENCE  # it was asked in vain
        read = (tmp_path / "log").read_text
        wait_until(lambda: read().count("broker_unreachable") > failures, read)
        broker.signal(signal.SIGCONT)
        wait_until(lambda: len(inbox.mails) == 2, (tmp_path / "log").read_text)
    assert [mail["To"] for mail in inbox.mails] == [ANN["email"], BOB["email"]]


# --8<-- [end:broker]
