"""What the processes that serve nobody tell a monitor."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import create_autospec

import httpx2
import pytest
from celery.worker.consumer import Consumer

from accounts import background, metrics, monitor, worker
from accounts.config import Settings
from accounts.monitor import SILENCE, Pulse, serving
from tests.survival.conftest import NO_TLS


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a monitor on a free port."""
    return settings.model_copy(update={"monitor_bind": "127.0.0.1:0"})


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a monitor look whether it is to end a hundred times a second, not twice."""
    serve = monitor.Server.serve_forever
    monkeypatch.setattr(
        monitor.Server, "serve_forever", lambda server: serve(server, 0.01)
    )


def ask(port: int, path: str) -> httpx2.Response:
    """Ask what a monitor asks."""
    return httpx2.get(f"http://127.0.0.1:{port}{path}", verify=NO_TLS, timeout=60)


# --8<-- [start:pulse]
def test_a_loop_that_no_longer_turns_is_told(settings: Settings) -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    with serving(settings, pulse.is_well) as port:
        statuses = list[int]()
        for passed in (0, SILENCE - 1, 2):
            now[0] += passed
            statuses.append(ask(port, "/healthz").status_code)
        pulse.beat()
        statuses.append(ask(port, "/healthz").status_code)
    assert statuses == [200, 200, 503, 200]


# --8<-- [end:pulse]


async def test_a_database_that_is_away_is_no_reason(settings: Settings) -> None:
    stopped, pulse, beats = asyncio.Event(), Pulse(), list[bool]()
    beat = pulse.beat

    def note() -> None:
        beat()
        beats.append(pulse.is_well())

    pulse.beat = note  # type: ignore[method-assign]  # to count

    async def away() -> bool:
        if len(beats) == 3:
            stopped.set()
        raise ConnectionRefusedError

    await background.repeat(away, stopped, 0.001, pulse)
    assert beats == [True] * 3


def test_it_tells_its_metrics_and_nothing_else(settings: Settings) -> None:
    metrics.RELAYED.labels("first").inc()
    with serving(settings, lambda: True) as port:
        told = ask(port, "/metrics")
        assert told.headers["Content-Type"].startswith("text/plain")
        assert 'relay_messages_total{time="first"}' in told.text
        assert ask(port, "/").status_code == 404


# --8<-- [start:shared]
def test_processes_that_share_a_folder_tell_one_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    asked = "observe('GET', '/users', 200, 0.1)"
    code = f"from accounts.metrics import observe; {asked}"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=True)
    told = metrics.exposition(None)[0].decode()
    assert 'http_requests_total{method="GET",route="/users",status="200"} 2.0' in told
    assert "process_resident_memory_bytes" not in told


# --8<-- [end:shared]


def test_a_client_that_says_nothing_blocks_nobody(settings: Settings) -> None:
    with (
        serving(settings, lambda: True) as port,
        socket.create_connection(("127.0.0.1", port)),
    ):
        assert ask(port, "/healthz").status_code == 200


def test_without_the_setting_nobody_answers(settings: Settings) -> None:
    off = settings.model_copy(update={"monitor_bind": ""})
    with serving(off, lambda: True) as port:
        assert port == 0


# --8<-- [start:command]
@pytest.mark.parametrize(("well", "status"), [(True, 0), (False, 1)])
def test_the_command_asks_the_process(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, well: bool, status: int
) -> None:
    with serving(settings, lambda: well) as port:
        told = settings.model_copy(update={"monitor_bind": f"0.0.0.0:{port}"})
        monkeypatch.setattr(monitor, "Settings", lambda: told)
        assert monitor.main() == status
    assert monitor.main() == 1


# --8<-- [end:command]


async def test_a_process_answers_while_it_runs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = settings.model_copy(update={"monitor_bind": f"127.0.0.1:{port}"})
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda *_: None)
    statuses = list[int]()

    async def until(stopped: asyncio.Event, _: Settings, pulse: Pulse) -> None:
        answer = await asyncio.to_thread(ask, port, "/healthz")
        statuses.append(answer.status_code)

    await background.run("relay", until, told)
    assert statuses == [200]


class TestWorker:
    """The consumer of a worker."""

    def test_it_is_well_while_it_waits_for_the_broker(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = list[object]()

        class Timer:
            def call_repeatedly(self, *told: object) -> None:
                calls.append(told)

        now = [0.0]
        pulse = Pulse(lambda: now[0])
        monkeypatch.setattr(worker, "PULSE", pulse)
        consumer = create_autospec(Consumer, instance=True)
        consumer.timer = Timer()
        step = worker.Beating(consumer)
        assert worker.is_well()
        step.start(consumer)
        assert calls == [(worker.RATE, pulse.beat)]
        now[0] = SILENCE
        assert not worker.is_well()
        step.stop(consumer)
        assert worker.is_well()
