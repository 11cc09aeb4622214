"""What the page on choosing claims."""

import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import pickle
import runpy
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import pytest

from tests.engine.pages import SNIPPETS
from tests.parts import rules
from tests.parts.server import beside, commanded
from tests.prove import prose
from tests.prove.sentences import LINK, sentences

FOLDER = "concurrency/choosing"
DOCUMENT = f"[{'12,' * 500_000}12]"
SPAWN = multiprocessing.get_context("spawn")


INSTRUCTIONS = [
    "Choose how code runs by what it waits for",
    "Read this page to decide when to use async, when a thread or a process, and when to leave a job for later.",
    "Ask what the code waits for, and take the row of the table.",
    "If you don't know, write def, and read Keep blocking calls out of the event loop.",
    "Then give each task its own session, give every call a timeout, and keep one client for each remote service.",
    "Do: write async def for what awaits, and def for what blocks",
    "Look for await in front of the slow call: it stands there in rate, and report has a call without it.",
    "Install fastapi and uvicorn, and run uvicorn endpoints:app in the file's folder.",
    "Do: calculate in another process",
    "Give the calculation to the pool, and await the result: answer does it in two lines.",
    "Don't: calculate in a coroutine",
    "Open the pool of processes in the lifespan, and close it at the end.",
    "Catch concurrent.futures.process.BrokenProcessPool, and make a new pool.",
    "Store a job for a worker instead, if a request would take longer than its client waits.",
    "Copy turns_during into a test, give it a call of your own code, and assert what it returns.",
]


@pytest.fixture(scope="module")
def tracker() -> Iterator[None]:
    """What a pool starts beside its processes, and nobody ends."""
    yield
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # or it stays


@pytest.fixture(scope="module")
def processes(tracker: None) -> Iterator[Executor]:
    """A pool with a process that has started."""
    with ProcessPoolExecutor(max_workers=1, mp_context=SPAWN) as pool:
        pool.submit(abs, 1).result()
        yield pool


@pytest.mark.holds(
    "The tests pass with either, and in production one slow request makes all others wait.",
    "Code that calculates never pauses, so in an async def function it keeps the event loop until it ends.",
    "The event loop turns while the process calculates.",
    "Here the coroutine does the sum itself, in the thread of the event loop.",
    "The sum is right, and so is the test.",
    "The event loop never turned while the coroutine calculated, so no other request was answered.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/process.py",
        pytest.param(
            f"{FOLDER}/coroutine.py",
            marks=pytest.mark.xfail(  # it computes in the thread of the event loop
                strict=True, raises=pytest.RaisesExc(AssertionError, match="the loop never turned")
            ),
        ),
    ],
    indirect=True,
)
def test_the_loop_turns_while_it_computes(snippet: ModuleType, processes: Executor) -> None:
    async def turned() -> bool:
        turn = asyncio.get_running_loop().create_future()
        turn.get_loop().call_soon(turn.set_result, True)
        assert await snippet.answer(processes, limit=1000) == 332833500
        return turn.done()

    assert asyncio.run(turned()), "the loop never turned"


@pytest.mark.holds(
    "awaits a database or another service | async def endpoint | Write an async endpoint that says what it returns",
    "calls a library that blocks | def endpoint, or a thread | Keep blocking calls out of the event loop",
    "needs several results at once | task group with a limit | Limit how many tasks run at once",
    "must be done, but not before the response | job for a worker | Store the job with the data",
    "sends news over time | stream of events | Stream events to a browser",
    "calculates for long: it is CPU-bound | process of its own | this page",
)
def test_each_row_leads_to_the_page_that_shows_it() -> None:
    chapter = SNIPPETS.parent / "docs/concurrency"
    shown = {
        "endpoints.md": "async def read_user",
        "blocking.md": "def report",
        "fanout.md": "asyncio.TaskGroup",
        "background.md": "async def work",
        "streaming.md": "EventSourceResponse",
        "choosing.md": "ProcessPoolExecutor",
    }
    for page, code in shown.items():
        assert any(code in block.text for block in prose.blocks(chapter / page))
    rows = [one for one in sentences(chapter / "choosing.md") if one.kind == "row"]
    for row in rows[:-1]:
        (link,) = LINK.finditer(row.markdown)
        assert f"\n# {link[2]}\n" in (chapter / link[3]).read_text()


@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_the_sum_is_right(snippet: ModuleType) -> None:
    assert snippet.sum_of_squares(4) == 14


@pytest.mark.holds(
    "spawn starts an empty process, which imports your code anew.",
    "Send little: arguments and results are pickled on the way.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_a_process_imports_the_code_and_gets_what_can_be_pickled(
    snippet: ModuleType, processes: Executor
) -> None:
    snippet.sum_of_squares.__code__ = (lambda limit: -limit).__code__
    assert snippet.sum_of_squares(4) == -4
    assert processes.submit(snippet.sum_of_squares, 4).result() == 14
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        processes.submit(lambda: 1).result()


@pytest.mark.holds("spawn starts an empty process, which imports your code anew.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_the_pool_spawns_its_processes(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = list[str]()

    def pool(max_workers: int | None = None, mp_context: BaseContext | None = None) -> Executor:
        ways.append(mp_context.get_start_method() if mp_context else "the default")
        return ThreadPoolExecutor(max_workers)

    monkeypatch.setattr(snippet, "ProcessPoolExecutor", pool)
    asyncio.run(snippet.main())
    assert ways == ["spawn"]


@pytest.mark.holds(
    "Warm the pool before the first request with as many calls at once as it has processes, as a process starts with the call that needs it.",
    "When a process dies, every call that waits in the pool gets this error.",
    "Limit the size of what you calculate: a timeout ends the wait, not the process.",
)
def test_a_pool_starts_a_process_at_the_first_call_and_breaks_for_good(
    tracker: None, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def cut(pool: Executor) -> int:
        call = asyncio.get_running_loop().run_in_executor(pool, fifo.read_bytes)
        reads = await asyncio.to_thread(os.open, fifo, os.O_WRONLY)  # once the process reads it
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await call
        written = os.write(reads, b"it reads on")
        os.close(reads)
        return written

    before = set(multiprocessing.active_children())

    def started() -> int:
        return len(set(multiprocessing.active_children()) - before)

    with ProcessPoolExecutor(max_workers=2, mp_context=SPAWN) as pool:
        assert started() == 0
        for _ in range(2):
            assert pool.submit(abs, -1).result() == 1
            assert started() == 1
        assert asyncio.run(cut(pool)) == len(b"it reads on"), "nobody reads any more"
        held, free = pool.submit(fifo.read_bytes), pool.submit(abs, -1)
        assert (free.result(), started()) == (1, 2)
        fifo.write_bytes(b"go on")
        assert held.result() == b"go on"
        calls = [pool.submit(fifo.read_bytes) for _ in range(3)]  # nobody writes: all wait
        (set(multiprocessing.active_children()) - before).pop().kill()
        for call in calls:
            with pytest.raises(BrokenProcessPool):
                call.result()
        with pytest.raises(BrokenProcessPool):
            pool.submit(abs, 1).result()


@pytest.mark.holds(
    "A process that starts as a fork copies the locks that other threads hold, and nobody in the new process lets them go.",
)
def test_a_fork_copies_a_lock_that_nobody_lets_go() -> None:
    lock, held, end = threading.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            end.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with warnings.catch_warnings(action="ignore"):  # of this very thing, from Python 3.12 on
        child = os.fork()
    if child == 0:
        os._exit(lock.acquire(blocking=False))
    end.set()
    holder.join()
    assert lock.acquire(blocking=False)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it got the lock"


@pytest.fixture
def unforced() -> Iterator[None]:
    """Threads change only where one lets go by itself, so that it can be told by the order."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.holds(
    "The default build of CPython runs the bytecode of one thread at a time.",
    "Threads that calculate take turns, so two of them use no more than one processor.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_threads_that_compute_use_one_processor(snippet: ModuleType, unforced: None) -> None:
    together, notes = threading.Barrier(2), list[str]()

    def compute() -> int:
        together.wait()
        notes.append("begin")
        total = snippet.sum_of_squares(100_000)
        notes.append("end")
        return int(total)

    with ThreadPoolExecutor(max_workers=2) as threads:
        sums = [threads.submit(compute) for _ in range(2)]
        assert [task.result() for task in sums] == [333328333350000] * 2
    assert notes == ["begin", "end"] * 2, "the second began before the first had ended"


@pytest.mark.holds(
    "A library in C can let other threads run while it calculates: hashlib does for a large input, json.loads doesn't.",
    "So a long json.loads stops the event loop, also from a thread.",
)
@pytest.mark.parametrize(
    ("call", "stalls"),
    [
        (lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 30_000), False),
        (lambda: json.loads(DOCUMENT), True),
    ],
    ids=["hashlib", "json"],
)
def test_what_stalls_the_loop_from_a_thread(
    call: Callable[[], object], stalls: bool, unforced: None
) -> None:
    turns = list[int]()

    def busy() -> bool:
        turned = 0
        for _ in range(5 if stalls else 500):  # where it may turn, the machine may be late
            before = len(turns)
            call()
            turned += len(turns) > before
            if turned == 2:  # once, a thread that waited before the test can make it let go
                return False
        return True

    async def stalled() -> bool:
        task = asyncio.create_task(asyncio.to_thread(busy))
        while not task.done():
            await asyncio.sleep(0.001)  # it turns as often as it can; nothing is measured
            turns.append(1)
        return await task

    assert asyncio.run(stalled()) == stalls


@pytest.mark.holds(
    "A call of an async def function runs nothing yet: it gives a coroutine, which runs when something awaits it.",
)
def test_a_call_gives_a_coroutine_that_runs_when_it_is_awaited() -> None:
    ran = list[str]()

    async def note() -> None:
        ran.append("ran")

    async def call() -> tuple[list[str], list[str]]:
        coroutine = note()
        assert asyncio.iscoroutine(coroutine)
        before = list(ran)
        await coroutine
        return before, ran

    assert asyncio.run(call()) == ([], ["ran"])


@pytest.mark.holds(
    "Give it the coroutine itself: it refuses a task, which could run before the watch begins.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/turned.py"], indirect=True)
def test_what_runs_before_the_watch_is_refused(snippet: ModuleType) -> None:
    async def refused() -> None:
        task: Any = asyncio.create_task(snippet.total(1000))
        with pytest.raises(TypeError, match="<Task pending"):
            await snippet.turns_during(task)
        await task

    async def watched_too_late() -> bool:
        turned, task = asyncio.Event(), asyncio.create_task(snippet.total(1000))
        asyncio.get_running_loop().call_soon(turned.set)  # the task was there first
        await task
        return turned.is_set()

    asyncio.run(refused())
    assert asyncio.run(watched_too_late()), "of a task the watch says True, though it calculates"


@pytest.mark.holds(
    "You write an endpoint, and don't know whether it should be async def or def.",
    "While either of the two waits, the process answers other requests, as long as the pool has a free thread for report.",
    "The event loop of a process runs your async def functions in one thread, one at a time.",
    "At an await that has to wait, the function pauses, and the event loop goes on with another request.",
    "FastAPI runs a def endpoint in another thread, so the event loop is free meanwhile.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/endpoints.py"], indirect=True)
def test_each_endpoint_leaves_the_loop_to_others(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_thread, threads = threading.get_ident(), dict[str, int]()
    blocked, go_on, slept = threading.Event(), threading.Event(), list[float]()

    def block(seconds: float) -> None:
        slept.append(seconds)
        threads["report"] = threading.get_ident()
        blocked.set()
        go_on.wait()

    async def both() -> list[int]:
        waits, released = asyncio.Event(), asyncio.Event()

        async def wait(seconds: float) -> None:
            slept.append(seconds)
            threads["rate"] = threading.get_ident()
            waits.set()
            await released.wait()

        monkeypatch.setattr(snippet, "asyncio", SimpleNamespace(sleep=wait))
        monkeypatch.setattr(snippet, "time", SimpleNamespace(sleep=block))
        async with beside(snippet.app) as server, aiohttp.ClientSession(server.url) as client:
            report = asyncio.create_task(client.get("/report"))
            await asyncio.to_thread(blocked.wait)
            rate = asyncio.create_task(client.get("/rate"))
            await waits.wait()  # it was begun while the other one blocks
            other = await client.get("/nowhere")
            released.set()
            statuses = [other.status, (await rate).status]
            assert not report.done()
            go_on.set()
            return [*statuses, (await report).status]

    assert asyncio.run(both()) == [404, 200, 200]
    assert threads["rate"] == loop_thread != threads["report"]
    assert slept == [1, 1]


def test_uvicorn_serves_it_by_name() -> None:
    with commanded(SNIPPETS / FOLDER, "endpoints:app") as (url, server):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with pytest.raises(urllib.error.HTTPError, match="404"):
            direct.open(f"{url}/nowhere")
        server.terminate()
        assert server.stdout is not None
        assert "Application shutdown complete." in server.stdout.read()


@pytest.mark.holds(
    "A pool is a set of processes that wait for calls, and ProcessPoolExecutor keeps it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_a_process_of_the_pool_waits_for_the_next_call(
    snippet: ModuleType, processes: Executor
) -> None:
    pids = {processes.submit(os.getpid).result() for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids
    assert isinstance(processes, snippet.ProcessPoolExecutor)


@pytest.mark.holds(
    "Ruff's RUF029, a rule in preview, reports a coroutine without an await.",
    "It doesn't report an endpoint of FastAPI.",
    "One await that waits satisfies both turns_during and RUF029, however long the rest calculates.",
    "Run the heartbeat of Keep blocking calls out of the event loop over your endpoint, which finds that too.",
    "True is the green result, and False the red one: the call kept the event loop until it ended.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/turned.py"], indirect=True)
def test_one_await_satisfies_the_rule(snippet: ModuleType, tmp_path: Path) -> None:
    async def waits_once() -> None:
        await asyncio.sleep(0)  # one turn of the loop
        time.sleep(0.05)  # noqa: ASYNC251  it stands for a long calculation

    async def turned() -> list[bool]:
        calls = snippet.fetch(), snippet.total(1000), waits_once()
        return [await snippet.turns_during(call) for call in calls]

    assert asyncio.run(turned()) == [True, False, True]
    heartbeat = runpy.run_path(str(SNIPPETS / "concurrency/blocking/heartbeat.py"))
    beats = asyncio.run(heartbeat["turns"](waits_once))
    assert heartbeat["longest_silence"](beats) >= 0.05
    bad, good = SNIPPETS / FOLDER / "coroutine.py", SNIPPETS / FOLDER / "process.py"
    assert "RUF029" in rules.found_only_in(bad, good)
    awaits, computes = tmp_path / "awaits.py", "    return sum_of_squares"
    source = bad.read_text().replace(computes, f"    await asyncio.sleep(0)\n{computes}")
    awaits.write_text(source)
    assert rules.found_only_in(awaits, good) == {"ARG001"}  # of what it doesn't compute with
    endpoint = tmp_path / "endpoint.py"
    endpoint.write_text(
        "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n"
        '@app.get("/")\nasync def total() -> int:\n    return sum(range(10**9))\n'
    )
    assert "RUF029" not in rules.found(endpoint)
