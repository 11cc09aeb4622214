"""What the page on blocking code claims."""

import asyncio
import itertools
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI

from tests.parts import pictures, rules
from tests.parts.server import serving

FOLDER = "concurrency/blocking"
CALL = 0.15  # seconds that the call of the snippets blocks
STALLED = pytest.param(
    f"{FOLDER}/stalled.py",
    marks=[
        pytest.mark.xfail(  # time.sleep holds the loop, and with it all other requests
            strict=True, raises=pytest.RaisesExc(AssertionError, match="0 pings were answered")
        ),
        pytest.mark.finding("ruff", "ASYNC251", line=11),
    ],
)


async def reports(url: str, calls: int) -> tuple[float, int]:
    """Ask for reports at once; return the seconds taken and the pings answered meanwhile."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client:

        async def ask(path: str) -> str:
            async with client.get(path) as answer:
                answer.raise_for_status()
                return str(await answer.json())

        assert await ask("/ping") == "pong"  # the first request takes longer
        started = time.perf_counter()
        asked = [asyncio.create_task(ask("/report")) for _ in range(calls)]
        await asyncio.sleep(CALL / 4)
        pings = 0
        while not any(report.done() for report in asked):
            await ask("/ping")
            pings += not any(report.done() for report in asked)
        assert {*await asyncio.gather(*asked)} <= {"report", "report of 3 rows"}
        return time.perf_counter() - started, pings


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/threaded.py", f"{FOLDER}/offloaded.py", STALLED], indirect=True
)
def test_other_requests_are_answered_meanwhile(snippet: ModuleType) -> None:
    with serving(snippet.app) as server:
        took, pings = asyncio.run(reports(server.url, calls=4))
    assert pings, f"{pings} pings were answered, and the calls took {took / CALL:.0f} times one"
    assert took < 4 * CALL


@pytest.mark.parametrize("snippet", [f"{FOLDER}/stalled.py"], indirect=True)
def test_calls_that_block_run_one_after_the_other(
    snippet: ModuleType, record_property: Any
) -> None:
    with serving(snippet.app) as server:
        took, _ = asyncio.run(reports(server.url, calls=3))
    assert took >= 3 * CALL
    record_property("figure", "3 calls")
    record_property("figure", "3 times")


@pytest.mark.parametrize("snippet", [f"{FOLDER}/pool.py"], indirect=True)
def test_the_pool_runs_forty_calls_at_once(snippet: ModuleType, record_property: Any) -> None:
    assert asyncio.run(snippet.start(calls=40)) == (40, 0)
    assert asyncio.run(snippet.start(calls=41)) == (40, 1)
    record_property("figure", "40 in")


def test_a_full_pool_holds_up_def_endpoints_and_def_dependencies() -> None:
    app, end = FastAPI(), threading.Event()

    @app.get("/hold")
    def hold() -> None:
        end.wait()

    def dependency() -> None:
        """Run in a thread, as a `def` endpoint does."""

    app.get("/def")(dependency)

    @app.get("/depends", dependencies=[Depends(dependency)])
    @app.get("/free")
    async def answer() -> None: ...

    @app.get("/pool")
    async def pool() -> tuple[int, int]:
        told = to_thread.current_default_thread_limiter().statistics()
        return told.borrowed_tokens, told.tasks_waiting

    @app.get("/release")
    async def release() -> None:
        end.set()

    async def fill(url: str) -> list[bool]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(url, connector=connector) as client:

            async def ask(path: str) -> Any:
                async with client.get(path) as told:
                    return await told.json()

            asked = [asyncio.create_task(ask("/hold")) for _ in range(40)]
            asked += [asyncio.create_task(ask(path)) for path in ("/def", "/depends")]
            seen = None
            while seen != [40, 2]:
                seen = await ask("/pool")
            await ask("/free")
            waited = [not call.done() for call in asked]
            await ask("/release")
            await asyncio.gather(*asked)
            return waited

    with serving(app) as server:
        assert all(asyncio.run(fill(server.url)))


def test_a_limiter_gives_a_service_its_share() -> None:
    async def share() -> tuple[float, int, float]:
        end, limiter = threading.Event(), CapacityLimiter(2)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(to_thread.run_sync(end.wait, limiter=limiter))
            for _ in range(10):
                await asyncio.sleep(0)
            told = limiter.statistics()
            end.set()
        used = to_thread.current_default_thread_limiter().statistics().borrowed_tokens
        return told.borrowed_tokens, told.tasks_waiting, used

    assert asyncio.run(share()) == (2, 1, 0)


def test_names_are_looked_up_in_the_threads_of_to_thread(
    monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    processors = "process_cpu_count" if hasattr(os, "process_cpu_count") else "cpu_count"
    most = min(32, (getattr(os, processors)() or 1) + 4)
    for count, threads, figure in (3, 7, "four more"), (64, 32, "32 at"):
        with monkeypatch.context() as machine:
            machine.setattr(os, processors, lambda count=count: count)
            assert ThreadPoolExecutor()._max_workers == threads  # as the event loop makes its own
        record_property("figure", figure)

    async def look_up() -> tuple[int, bool]:
        end, running = threading.Event(), threading.Semaphore(0)

        def call() -> None:
            running.release()
            end.wait()

        calls = [asyncio.create_task(asyncio.to_thread(call)) for _ in range(most + 1)]
        started = 0
        while started < most:
            started += running.acquire(blocking=False)
            await asyncio.sleep(0)
        name = asyncio.create_task(asyncio.get_running_loop().getaddrinfo("localhost", 80))
        found, _ = await asyncio.wait([name], timeout=0.1)
        started += running.acquire(blocking=False)
        end.set()
        await asyncio.gather(*calls, name)
        return started, bool(found)

    assert asyncio.run(look_up()) == (most, False)


def shape(turns: dict[str, list[float]]) -> dict[str, tuple[bool, int]]:
    """Return whether each way to sleep stalled the loop, and its length in steps of 50 ms."""
    gaps = {way: max(b - a for a, b in itertools.pairwise(turns[way])) for way in turns}
    return {way: (gaps[way] >= 200, int(turns[way][-1] // 50)) for way in turns}


@pytest.mark.proves(f"{FOLDER}/stall.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
def test_only_a_call_that_blocks_stalls_the_loop(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    ways = snippet.awaited, snippet.threaded, snippet.blocked
    fresh = {}
    for way in ways:
        times = asyncio.run(snippet.turns(way))
        assert times[-1] >= snippet.NAP
        assert (snippet.longest_silence(times) >= snippet.NAP) == (way is snippet.blocked)
        fresh[way.__name__] = [round(1000 * time, 1) for time in times]
    pictures.hold_data(f"{FOLDER}/stall", fresh, shape, pytestconfig.option.update_examples)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    updating = pytestconfig.option.update_examples
    pictures.hold_picture(f"{FOLDER}/stall", snippet.draw, updating)
    drawn = snippet.draw({way: [0.0, 199.5, 400.0] for way in snippet.WAYS})
    assert drawn.count("bad") == drawn.count('width="200.5" height="18" class="bad"') == 3


@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
def test_the_heartbeat_raises_what_the_work_raises(snippet: ModuleType) -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(snippet.turns(fail))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
def test_the_debug_mode_names_the_task_that_blocks(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    record_property: Any,
) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    asyncio.run(snippet.turns(snippet.blocked))
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert re.match(r"Executing <Task .*blocked\(\).* took 0\.[2-9]", told)
    with asyncio.Runner() as runner:
        record_property(
            "figure", f"{1000 * runner.get_loop().slow_callback_duration:g} milliseconds"
        )


def test_a_task_goes_on_at_an_await_that_need_not_wait() -> None:
    steps = []

    async def ready() -> None: ...

    async def task(name: str) -> None:
        steps.append(name)
        await ready()
        steps.append(name)

    async def both() -> None:
        await asyncio.gather(task("first"), task("second"))

    asyncio.run(both())
    assert steps == ["first", "first", "second", "second"]


def test_the_rules_know_some_calls_and_only_in_the_coroutine(tmp_path: Path) -> None:
    calls = {
        "time.sleep(1)": "ASYNC251",
        'subprocess.run("true")': "ASYNC221",
        'subprocess.Popen("true")': "ASYNC220",
        'requests.get("http://localhost")': "ASYNC210",
        'open("file")': "ASYNC230",
    }
    for number, (call, code) in enumerate(calls.items()):
        direct, hidden = tmp_path / f"direct{number}.py", tmp_path / f"hidden{number}.py"
        start = f"import {call.partition('.')[0]}\n\n\n" if "." in call else ""
        direct.write_text(f"{start}async def work() -> None:\n    {call}\n")
        hidden.write_text(f"{start}def block() -> None:\n    {call}\n")
        with hidden.open("a") as file:
            file.write("\n\nasync def work() -> None:\n    block()\n")
        assert code in rules.found(direct)
        assert not {code for code in rules.found(hidden) if code.startswith("ASYNC")}
