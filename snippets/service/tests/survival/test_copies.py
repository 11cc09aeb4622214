"""Two copies of the service, with two databases and one Valkey."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import redis

from dev import processes
from dev.mail import Inbox
from dev.ports import free_port
from dev.postgres import Postgres
from tests.conftest import database
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import NO_TLS, Environment, serving, wait_until


@pytest.fixture
def other(environment: Environment, server: Postgres) -> Iterator[Environment]:
    """What the processes of the other copy read."""
    with database(server) as url:
        yield {**environment, "DATABASE_URL": url}


def name(environment: Environment) -> str:
    """Return what the names of a copy begin with."""
    return f"accounts:{environment['DATABASE_URL'].rpartition('/')[2]}:"


def events(log: Path) -> list[str]:
    """Return what a process logged."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    return [str(json.loads(line)["event"]) for line in lines]


def ask(port: str, path: str) -> str:
    """Return what a process tells a monitor, or nothing while it doesn't answer."""
    with contextlib.suppress(httpx2.TransportError):
        answer = httpx2.get(f"http://127.0.0.1:{port}{path}", verify=NO_TLS, timeout=60)
        return answer.text if answer.is_success else ""
    return ""


# --8<-- [start:copies]
def test_two_copies_share_nothing(
    environment: Environment, other: Environment, inbox: Inbox, tmp_path: Path
) -> None:
    ports = [str(free_port()) for _ in range(3)]
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    told = [{"MONITOR_BIND": f"127.0.0.1:{port}"} for port in ports]
    (tmp_path / "other").mkdir()
    with contextlib.ExitStack() as stack:
        mine, relays, others = (stack.enter_context(log.open("wb")) for log in logs)
        stack.enter_context(processes.worker(other | told[2], others))
        stack.enter_context(processes.relay(environment | told[1], relays))
        keys = stack.enter_context(redis.Redis.from_url(environment["REDIS_URL"]))
        first = stack.enter_context(serving(processes.uvicorn, environment, tmp_path))
        second = stack.enter_context(
            serving(processes.uvicorn, other, tmp_path / "other")
        )
        to_first = stack.enter_context(first.client())
        to_second = stack.enter_context(second.client())
        wait_until(lambda: ask(ports[2], "/healthz"), logs[2].read_text, 60)

        assert to_first.post("/users", json=ANN).json()["id"] == 1
        assert to_first.get("/users/1").is_success
        assert to_second.get("/users/1").status_code == 404
        queue = f"{name(environment)}accounts"
        wait_until(lambda: keys.llen(queue), logs[1].read_text)
        stack.enter_context(processes.worker(environment | told[0], mine))
        wait_until(lambda: inbox.mails, logs[0].read_text, 60)
        assert to_second.post("/users", json=BOB).json()["id"] == 1
        assert to_first.get("/users/1").json()["email"] == ANN["email"]

        found = [*keys.keys(), *keys.pubsub_channels()]
        names = {re.sub(r"^/\d+\.", "", one.decode()) for one in found}
        starts = (name(environment), name(other))
        assert [one for one in names if not one.startswith(starts)] == []
        assert "delivery" not in events(logs[2])

        wait_until(lambda: 'outcome="sent"} 1.0' in ask(ports[0], "/metrics"))
        assert 'relay_messages_total{time="first"} 1.0' in ask(ports[1], "/metrics")
        assert '"ok"' in ask(ports[1], "/healthz")
    assert [mail["To"] for mail in inbox.mails] == [ANN["email"]]
    assert list(tmp_path.glob("accounts-metrics-*")) == []


# --8<-- [end:copies]
