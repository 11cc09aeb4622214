"""What the page on timeouts claims."""

import asyncio
import contextlib
import shutil
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules

FOLDER = "concurrency/timeouts"


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/bounded.py",
        pytest.param(
            f"{FOLDER}/blocked.py",
            marks=[
                pytest.mark.xfail(  # the loop is held, so the timer never fires
                    strict=True,
                    raises=pytest.RaisesExc(
                        pytest.fail.Exception, match="DID NOT RAISE .*TimeoutError"
                    ),
                ),
                pytest.mark.finding("ruff", "ASYNC251", line=7),
            ],
        ),
    ],
    indirect=True,
)
def test_the_caller_is_free_at_the_limit(snippet: ModuleType) -> None:
    async def ended() -> float:
        with pytest.raises(TimeoutError):
            await snippet.profile_within(limit=0.005, delay=0.01)
        return clock.now()

    assert clock.run(ended()) == 0.005


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/bounded.py",
        pytest.param(
            f"{FOLDER}/blocked.py",
            marks=pytest.mark.xfail(  # the loop is held, so nothing else runs
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="other tasks ran 0 times"),
            ),
        ),
    ],
    indirect=True,
)
def test_other_tasks_run_while_the_call_waits(snippet: ModuleType) -> None:
    turns = []

    async def other() -> None:
        turns.append("a turn")

    async def call() -> int:
        task = asyncio.create_task(other())
        await snippet.profile_within(limit=5, delay=0.01)
        meanwhile = len(turns)
        await task
        return meanwhile

    ran = clock.run(call())
    assert ran == 1, f"other tasks ran {ran} times"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py", f"{FOLDER}/blocked.py"], indirect=True)
def test_the_limit_holds_once_the_client_awaits(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "fetch_profile", asyncio.sleep)  # both promise, one client blocks
    with pytest.raises(TimeoutError):
        clock.run(snippet.profile_within(limit=0.01, delay=0.3))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_the_answer_arrives_when_it_is_in_time(snippet: ModuleType) -> None:
    assert asyncio.run(snippet.profile_within(limit=5, delay=0)) == "profile"


class Prompt(ThreadPoolExecutor):
    """A pool in which a call has begun when it is submitted, however busy the machine is."""

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Submit a call, and wait until a thread runs it."""
        begun = threading.Event()

        def work() -> Any:
            begun.set()
            return call(*given, **named)

        future = super().submit(work)
        begun.wait()
        return future


@pytest.mark.parametrize("snippet", [f"{FOLDER}/abandoned.py"], indirect=True)
def test_the_thread_goes_on_after_the_limit(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, asked = threading.Event(), list[float]()

    def hold(delay: float) -> None:
        asked.append(delay)
        released.wait()

    async def charge() -> list[str]:
        asyncio.get_running_loop().set_default_executor(Prompt())
        try:
            with pytest.raises(TimeoutError):
                await snippet.charge_within(limit=0.01, order="B-2", delay=60)
            return list(snippet.charged)
        finally:
            released.set()

    monkeypatch.setattr(snippet, "time", SimpleNamespace(sleep=hold))
    assert asyncio.run(charge()) == []  # run() waits for the thread, so it ends here
    assert (snippet.charged, asked) == (["B-2"], [60])


@pytest.mark.parametrize("snippet", [f"{FOLDER}/blocked.py"], indirect=True)
def test_nothing_tells_of_a_limit_that_was_overrun(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(snippet.profile_within(limit=0.001, delay=0.004)) == "profile"
    assert not caplog.records


async def deaf() -> str:
    """Take no notice of a cancellation."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await clock.passed(5)
    return "late"


def test_who_swallows_the_cancellation_overruns_the_limit() -> None:
    async def call() -> tuple[str, float]:
        async with asyncio.timeout(1):
            answer = await deaf()
        return answer, clock.now()

    assert clock.run(call()) == ("late", 6)


def test_wait_for_cancels_at_the_limit_too() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def call() -> list[str]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 0.01)
        return list(ended)

    assert clock.run(call()) == ["cancelled"]


def test_an_endpoint_that_lets_it_rise_answers_500(record_property: Any) -> None:
    app, sent = FastAPI(), list[Any]()

    @app.get("/")
    async def rises() -> None:
        raise TimeoutError

    async def receive() -> dict[str, str]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(TimeoutError):  # for the server to log
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500
    record_property("figure", "500")
    record_property("figure", str(HTTPStatus.GATEWAY_TIMEOUT.value))


def test_the_old_name_is_the_built_in_one() -> None:
    assert asyncio.TimeoutError is TimeoutError


@pytest.mark.proves(f"{FOLDER}/ruff.toml")
def test_the_rules_refuse_a_driver_that_blocks_and_only_that(tmp_path: Path) -> None:
    source = 'import {0}\n\n\nasync def connect() -> None:\n    {1}{0}.connect("db")\n'
    (tmp_path / "blocks.py").write_text(source.format("psycopg2", ""))
    (tmp_path / "awaits.py").write_text(source.format("asyncpg", "await "))

    def lint(name: str) -> str:
        command = ["ruff", "check", "--output-format=concise", name]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout

    assert not [code for code in rules.found(tmp_path / "blocks.py") if code.startswith("ASYNC")]
    assert lint("blocks.py") == "All checks passed!\n"  # without the rules
    shutil.copy(SNIPPETS / FOLDER / "ruff.toml", tmp_path)
    assert "TID251 `psycopg2` is banned: It blocks" in lint("blocks.py")
    assert lint("awaits.py") == "All checks passed!\n"


def test_a_linter_sees_only_what_stands_in_the_coroutine_itself(tmp_path: Path) -> None:
    hidden = "import time\n\n\ndef wait() -> None:\n    time.sleep(1)\n"
    hidden += "\n\nasync def call() -> None:\n    wait()\n"
    (tmp_path / "hidden.py").write_text(hidden)
    shutil.copy(SNIPPETS / FOLDER / "ruff.toml", tmp_path)
    subprocess.run(["ruff", "check", "hidden.py"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_a_limit_that_is_called_timeout_is_refused(snippet: ModuleType, tmp_path: Path) -> None:
    bounded, named = Path(str(snippet.__file__)), tmp_path / "named.py"
    source = bounded.read_text().replace("limit", "timeout")
    named.write_text(source)
    assert rules.found_only_in(named, bounded) == {"ASYNC109"}
