"""What the page on choosing claims."""

import asyncio
import hashlib
import json
import multiprocessing
import os
import pickle
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import SNIPPETS
from tests.parts import rules

FOLDER = "concurrency/choosing"
DOCUMENT = f"[{'12,' * 500_000}12]"
SPAWN = multiprocessing.get_context("spawn")


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


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/process.py",
        pytest.param(
            f"{FOLDER}/coroutine.py",
            marks=pytest.mark.xfail(  # it computes in the thread of the event loop
                strict=True, raises=pytest.RaisesExc(AssertionError, match="the loop turned once")
            ),
        ),
    ],
    indirect=True,
)
def test_the_loop_turns_while_it_computes(snippet: ModuleType, processes: Executor) -> None:
    async def count_turns() -> int:
        task = asyncio.create_task(snippet.answer(processes, limit=500_000))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert await task == 41666541666750000
        return turns

    assert asyncio.run(count_turns()) > 1, "the loop turned once"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_the_sum_is_right(snippet: ModuleType) -> None:
    assert snippet.sum_of_squares(4) == 14


@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_a_process_imports_the_code_and_gets_what_can_be_pickled(
    snippet: ModuleType, processes: Executor
) -> None:
    snippet.sum_of_squares.__code__ = (lambda limit: -limit).__code__
    assert snippet.sum_of_squares(4) == -4
    assert processes.submit(snippet.sum_of_squares, 4).result() == 14
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        processes.submit(lambda: 1).result()


def test_a_pool_starts_a_process_at_the_first_call_and_breaks_for_good(tracker: None) -> None:
    def seconds() -> float:
        started = time.perf_counter()
        pool.submit(abs, 1).result()
        return time.perf_counter() - started

    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(max_workers=2, mp_context=SPAWN) as pool:
        assert set(multiprocessing.active_children()) == before
        assert seconds() > seconds()
        assert len(set(multiprocessing.active_children()) - before) == 1
        for call in os._exit, abs:
            with pytest.raises(BrokenProcessPool):
                pool.submit(call, 1).result()


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
        os._exit(lock.acquire(timeout=0.1))
    end.set()
    holder.join()
    assert lock.acquire(timeout=5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it got the lock"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_threads_that_compute_use_one_processor(snippet: ModuleType) -> None:
    with ThreadPoolExecutor(max_workers=2) as threads:
        started, used = time.perf_counter(), time.process_time()
        sums = [threads.submit(snippet.sum_of_squares, 100_000) for _ in range(2)]
        assert [task.result() for task in sums] == [333328333350000] * 2
        took = time.perf_counter() - started
        assert time.process_time() - used < 1.6 * took, "two processors would use twice as much"


@pytest.mark.parametrize(
    ("call", "stalls"),
    [
        (lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000), False),
        (lambda: json.loads(DOCUMENT), True),
    ],
    ids=["hashlib", "json"],
)
def test_what_stalls_the_loop_from_a_thread(call: Callable[[], object], stalls: bool) -> None:
    def busy() -> tuple[float, float]:
        started = time.perf_counter()
        call()
        return started, time.perf_counter()

    async def longest_pause() -> float:
        task = asyncio.create_task(asyncio.to_thread(busy))
        turns = [time.perf_counter()]
        while not task.done():
            await asyncio.sleep(0.005)
            turns.append(time.perf_counter())
        started, ended = await task
        return max(later - turn for turn, later in pairwise(turns)) / (ended - started)

    assert (asyncio.run(longest_pause()) > 0.5) == stalls  # of the time that the call takes


def test_one_await_satisfies_the_rule(tmp_path: Path) -> None:
    bad, good = SNIPPETS / FOLDER / "coroutine.py", SNIPPETS / FOLDER / "process.py"
    assert "RUF029" in rules.found_only_in(bad, good)
    awaits, computes = tmp_path / "awaits.py", "    return sum_of_squares"
    source = bad.read_text().replace(computes, f"    await asyncio.sleep(0)\n{computes}")
    awaits.write_text(source)
    assert rules.found_only_in(awaits, good) == {"ARG001"}  # of what it doesn't compute with
