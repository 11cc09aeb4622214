"""What the page on timeouts claims."""

import asyncio
import shutil
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import SNIPPETS

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
    started = time.perf_counter()
    with pytest.raises(TimeoutError):
        asyncio.run(snippet.profile_within(limit=0.05, delay=0.3))
    assert time.perf_counter() - started < 0.3


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
    async def count_turns() -> int:
        call = asyncio.create_task(snippet.profile_within(limit=5, delay=0.05))
        await asyncio.sleep(0)  # the call begins
        turns = 0
        while not call.done():
            await asyncio.sleep(0.01)
            turns += not call.done()
        return turns

    turns = asyncio.run(count_turns())
    assert turns > 0, f"other tasks ran {turns} times"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py", f"{FOLDER}/blocked.py"], indirect=True)
def test_the_limit_holds_once_the_client_awaits(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "fetch_profile", asyncio.sleep)  # both promise, one client blocks
    with pytest.raises(TimeoutError):
        asyncio.run(snippet.profile_within(limit=0.01, delay=0.3))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_the_answer_arrives_when_it_is_in_time(snippet: ModuleType) -> None:
    assert asyncio.run(snippet.profile_within(limit=5, delay=0)) == "profile"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/abandoned.py"], indirect=True)
def test_the_thread_goes_on_after_the_limit(snippet: ModuleType) -> None:
    async def charge() -> list[str]:
        with pytest.raises(TimeoutError):
            await snippet.charge_within(limit=0.05, order="B-2", delay=0.2)
        return list(snippet.charged)

    assert asyncio.run(charge()) == []  # run() waits for the thread, so it ends here
    assert snippet.charged == ["B-2"]


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
