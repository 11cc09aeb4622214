"""What the page on timeouts claims."""

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import serving

FOLDER = "concurrency/timeouts"

INSTRUCTIONS = [
    "Give every call a timeout",
    "Give every await on something outside the process a timeout, at the place where the answer is needed.",
    "Bound the call with asyncio.timeout, and take the limit as a parameter: the caller knows how long its own client waits.",
    "Do: answer 504 at the limit",
    "Install fastapi and uvicorn.",
    "For a call that changes something, set the client's own timeout below yours, and send a key that makes a second try harmless.",
    "Put the timeout around the group, or note it in an except* block and raise your HTTPException below the block.",
    "Catch it only to clean up, and raise it again.",
    "Install ruff, and run it over the two versions above:",
    "Call your own code under a short timeout in a test to find what hides deeper.",
]


JUDGEMENTS = [
    "We call the longest time that a caller waits for an answer its timeout.",
    "We call the moment at which it ends the deadline.",
    "We recommend 5 seconds if you don't know how long to wait, and less where the client of your endpoint gives up sooner.",
    "We prefer asyncio.timeout for that reason.",
]


@pytest.mark.holds(
    "At the limit, asyncio cancels the task at the await where it waits, and the block raises TimeoutError.",
    "This version has the same timeout, but its client blocks instead of awaiting.",
)
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


@pytest.mark.holds(
    "The timer belongs to the event loop, and time.sleep held the loop, so the call ended before the timer could fire.",
    "No exception tells of it, no log line outside of asyncio's debug mode does, and every other task waited as long.",
)
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


@pytest.mark.holds(
    "A timeout holds only if the code below it awaits.",
)
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


@pytest.mark.holds(
    "A thread goes on after the timeout",
    "A blocking call in a thread frees the loop, so the caller gets its TimeoutError.",
    "The thread goes on.",
    "The caller got a timeout, and the card was charged.",
    "After a timeout the result is unknown, not failed.",
)
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


@pytest.mark.holds(
    "No exception tells of it, no log line outside of asyncio's debug mode does, and every other task waited as long.",
    "The call took four times its limit and raised nothing.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/blocked.py"], indirect=True)
def test_nothing_tells_of_a_limit_that_was_overrun(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    limit, logged = 0.03, list[list[str]]()
    for debug in False, True:
        caplog.clear()
        started = time.perf_counter()
        call = snippet.profile_within(limit, delay=4 * limit)
        assert asyncio.run(call, debug=debug) == "profile"
        assert time.perf_counter() - started >= 4 * limit
        logged.append([record.getMessage() for record in caplog.records])
    outside, within = logged
    assert not outside
    assert any(re.match(r"Executing <Task .*profile_within.* took ", line) for line in within)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
@pytest.mark.parametrize(("took", "within"), [(0.999, True), (1, False)])
def test_it_prints_whether_it_gave_up_within_a_second(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took: float,
    within: bool,
) -> None:
    clock.stopwatch(snippet, monkeypatch, took)
    clock.run(snippet.main())
    assert capsys.readouterr().out == f"profile\ngave up within a second: {within}\n"


@pytest.mark.holds("The call took four times its limit and raised nothing.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/blocked.py"], indirect=True)
@pytest.mark.parametrize(("took", "late"), [(0.119, False), (0.12, True)])
def test_it_prints_whether_it_took_four_times_the_limit(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took: float,
    late: bool,
) -> None:
    clock.stopwatch(snippet, monkeypatch, took)
    asyncio.run(snippet.main())
    assert capsys.readouterr().out == f"profile\ntook at least four times the limit: {late}\n"


@pytest.mark.parametrize(
    ("snippet", "call"),
    [(f"{FOLDER}/bounded.py", "fetch_profile"), (f"{FOLDER}/abandoned.py", "charge_within")],
    indirect=["snippet"],
)
def test_what_is_no_timeout_is_not_caught(
    snippet: ModuleType, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(delay: float, **_: object) -> str:
        if delay:
            raise ConnectionRefusedError
        return "profile"

    monkeypatch.setattr(snippet, call, refuse)
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(snippet.main())


async def deaf() -> str:
    """Take no notice of a cancellation."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await clock.passed(5)
    return "late"


@pytest.mark.holds(
    "A coroutine that catches asyncio.CancelledError and goes on overruns its timeout, and raises nothing.",
)
def test_who_swallows_the_cancellation_overruns_the_limit() -> None:
    async def call() -> tuple[str, float]:
        async with asyncio.timeout(1):
            answer = await deaf()
        return answer, clock.now()

    assert clock.run(call()) == ("late", 6)


@pytest.mark.holds(
    "Before Python 3.12, asyncio.wait_for runs the call in a task of its own, and can swallow a cancellation that arrives as the call ends.",
)
def test_wait_for_was_another_thing() -> None:
    async def own_task() -> bool:
        async def task() -> Any:
            return asyncio.current_task()

        return await asyncio.wait_for(task(), 60) is not asyncio.current_task()

    async def swallowed() -> bool:
        answer = asyncio.get_running_loop().create_future()
        call = asyncio.create_task(asyncio.wait_for(answer, 60))
        await asyncio.sleep(0)  # a turn of the loop, in which the call begins
        answer.set_result("answer")
        call.cancel()
        await asyncio.wait([call])
        return not call.cancelled()

    before = sys.version_info < (3, 12)
    assert (asyncio.run(own_task()), asyncio.run(swallowed())) == (before, before)


async def late() -> None:
    """Wait longer than the timeout."""
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


async def in_a_group() -> None:
    """Let a task of a group wait longer than its timeout."""
    async with asyncio.TaskGroup() as group:
        group.create_task(late())


async def around_a_group() -> None:
    """Let a group wait longer than the timeout around it."""
    async with asyncio.timeout(0), asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait())


async def starred() -> None:
    """Catch what a group raises."""
    late = False
    try:
        await in_a_group()
    except* TimeoutError:
        late = True
    if late:  # what is raised in an `except*` block may get a group of its own
        raise HTTPException(504)


@pytest.mark.holds(
    "Catch TimeoutError in the endpoint, log it there, and answer 504.",
    "A TimeoutError that nobody catches becomes a 500.",
    "A timeout inside a task of an asyncio.TaskGroup arrives as an ExceptionGroup, so except TimeoutError misses it, and the client gets 500.",
    "Put the timeout around the group, or note it in an except* block and raise your HTTPException below the block.",
)
def test_what_an_endpoint_makes_of_a_timeout() -> None:
    app, calls = FastAPI(), {"late": late, "group": in_a_group, "around": around_a_group}

    @app.get("/caught/{name}")
    async def caught(name: str) -> None:
        try:
            await calls[name]()
        except TimeoutError as error:
            raise HTTPException(504) from error

    app.get("/starred")(starred)

    @app.get("/uncaught")
    async def uncaught() -> None:
        await late()

    async def statuses(url: str, *paths: str) -> list[int]:
        found = list[int]()
        async with aiohttp.ClientSession(url) as client:
            for path in paths:
                async with client.get(path) as answer:
                    found.append(answer.status)
        return found

    with serving(app) as server:
        paths = "/caught/late", "/uncaught", "/caught/group", "/caught/around", "/starred"
        assert asyncio.run(statuses(server.url, *paths)) == [504, 500, 500, 504, 504]
    with pytest.raises(ExceptionGroup):
        asyncio.run(in_a_group())


@pytest.mark.holds(
    "In an endpoint, the limit stands around the call, and the client gets an answer that says what happened.",
    "A request for /rates/EUR gets 200, and one for /rates/XXX gets 504 after 5 seconds.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/answered.py"], indirect=True)
def test_an_endpoint_answers_504_at_the_limit(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def get(path: str) -> tuple[int, float]:
        sent, begun = list[Any](), clock.now()

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        await snippet.app(scope, receive, send)
        return sent[0]["status"], clock.now() - begun

    assert clock.run(get("/rates/EUR")) == (200, 0)
    assert not caplog.records
    status, waited = clock.run(get("/rates/XXX"))
    assert status == 504
    assert waited == pytest.approx(5)
    assert [record.getMessage() for record in caplog.records] == [
        "no rate for 'XXX' within 5 seconds"
    ]


@pytest.mark.holds(
    "After a timeout in a query, roll the session back before you use it again.",
    "Until then SQLAlchemy raises sqlalchemy.exc.PendingRollbackError.",
    "asyncpg asks PostgreSQL to stop the query whose task was cancelled.",
)
def test_a_session_is_rolled_back_after_a_timeout(database: str) -> None:
    active = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
    active += " AND state = 'active' AND datname = current_database()"

    async def overrun() -> None:
        engine = create_async_engine(database)
        async with AsyncSession(engine) as session:
            await session.scalar(text("SELECT 1"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await session.execute(text("SELECT pg_sleep(600)"))
            with pytest.raises(PendingRollbackError):
                await session.execute(text("SELECT 1"))
            await session.rollback()
            while await session.scalar(text(active)):  # it is told on a connection of its own
                await session.rollback()
        await engine.dispose()

    asyncio.run(overrun())


@pytest.mark.holds(
    "A remote service hangs, and requests of our service pile up behind it without an error.",
)
def test_calls_without_a_timeout_pile_up() -> None:
    async def pile_up() -> int:
        arrived, ended = asyncio.Semaphore(0), asyncio.Event()

        async def never_answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.release()
            await ended.wait()
            writer.close()

        server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            calls = [asyncio.create_task(client.get("/").__aenter__()) for _ in range(5)]
            for _ in calls:
                await arrived.acquire()
            waiting = sum(not call.done() for call in calls)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
        ended.set()
        server.close()
        await server.wait_closed()
        return waiting

    assert asyncio.run(pile_up()) == 5


@pytest.mark.holds(
    "asyncio.timeout doesn't interrupt code.",
    "It schedules a cancellation of the task for the moment of the limit.",
    "The cancellation arrives at the next await that has to wait.",
    "If this await waits for another task, that one is cancelled too.",
    "The block turns the cancellation into TimeoutError.",
    "So a timeout bounds waiting.",
    "It doesn't bound code that calculates, code in a thread, or what the remote service does with the request.",
)
def test_a_timeout_cancels_its_own_task_where_it_waits() -> None:
    seen: list[str] = []

    async def at_once() -> None:
        seen.append("an await that need not wait")

    async def other() -> None:
        await asyncio.sleep(0)  # it ends one turn of the loop after the other
        seen.append("the other task ends")

    async def call() -> int:
        beside, task = asyncio.create_task(other()), asyncio.current_task()
        assert task is not None
        waited_for = asyncio.create_task(asyncio.Event().wait())
        try:
            async with asyncio.timeout(0):
                seen.append("code goes on")
                await at_once()
                try:
                    await waited_for
                finally:
                    seen.append(f"cancelled {task.cancelling()} time")
        except TimeoutError:
            seen.append("timeout")
        await beside
        assert waited_for.cancelled()
        assert not beside.cancelled()
        return task.cancelling()

    assert asyncio.run(call()) == 0
    assert seen[:2] == ["code goes on", "an await that need not wait"]
    assert sorted(seen[2:]) == ["cancelled 1 time", "the other task ends", "timeout"]


@pytest.mark.holds(
    "asyncio.TimeoutError is the built-in TimeoutError under its old name.",
)
def test_the_old_name_is_the_built_in_one() -> None:
    assert asyncio.TimeoutError is TimeoutError


@pytest.mark.holds(
    "Ruff 0.17.6 reports blocking calls in asynchronous code that it knows by name, such as time.sleep.",
    "It doesn't know database drivers, so name the ones that block:",
)
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


@pytest.mark.proves(f"{FOLDER}/ruff.toml")
@pytest.mark.holds(
    "Ruff 0.17.6 reports blocking calls in asynchronous code that it knows by name, such as time.sleep.",
)
def test_each_rule_that_is_selected_refuses_something(tmp_path: Path) -> None:
    (tmp_path / "imports.py").write_text("import psycopg2\n\nprint(psycopg2)\n")
    bounded = (SNIPPETS / FOLDER / "bounded.py").read_text()
    (tmp_path / "named.py").write_text(bounded.replace("limit", "timeout"))
    for name in ("bounded.py", "blocked.py"):
        shutil.copy(SNIPPETS / FOLDER / name, tmp_path)
    config = (SNIPPETS / FOLDER / "ruff.toml").read_text()
    selected = tomllib.loads(config)["lint"]["extend-select"]

    def refused(rules: list[str]) -> set[tuple[str, str]]:
        (tmp_path / "ruff.toml").write_text(config.replace(json.dumps(selected), json.dumps(rules)))
        command = ["ruff", "check", "--output-format=concise", "."]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
        return set(re.findall(r"^(\w+\.py):\S+ ([A-Z]+\d+)", said, re.MULTILINE))

    codes = {"blocked.py": "ASYNC251", "imports.py": "TID251", "named.py": "ASYNC109"}
    assert refused(selected) == set(codes.items())
    for rule in selected:
        rest = [each for each in selected if each != rule]
        assert refused(rest) < refused(selected), f"{rule} refuses nothing"


@pytest.mark.proves(f"{FOLDER}/ruff.toml")
@pytest.mark.holds(
    "A linter sees the call only where it stands in the coroutine itself.",
)
def test_a_linter_sees_only_what_stands_in_the_coroutine_itself(tmp_path: Path) -> None:
    hidden = "import time\n\n\ndef wait() -> None:\n    time.sleep(1)\n"
    hidden += "\n\nasync def call() -> None:\n    wait()\n"
    (tmp_path / "hidden.py").write_text(hidden)
    shutil.copy(SNIPPETS / FOLDER / "ruff.toml", tmp_path)
    done = subprocess.run(["ruff", "check", "hidden.py"], cwd=tmp_path)
    assert done.returncode == 0


@pytest.mark.holds(
    "Don't call the parameter timeout: Ruff's ASYNC109, if you select it, refuses that name.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_a_limit_that_is_called_timeout_is_refused(snippet: ModuleType, tmp_path: Path) -> None:
    bounded, named = Path(str(snippet.__file__)), tmp_path / "named.py"
    source = bounded.read_text().replace("limit", "timeout")
    named.write_text(source)
    assert rules.found_only_in(named, bounded) == {"ASYNC109"}
