"""What the page on choosing claims."""

import asyncio
import hashlib
import json
import multiprocessing
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(max_workers=2, mp_context=SPAWN) as pool:
        assert set(multiprocessing.active_children()) == before
        for _ in range(2):
            assert pool.submit(abs, -1).result() == 1
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
        for _ in range(5 if stalls else 500):  # where it may turn, the machine may be late
            before = len(turns)
            call()
            if len(turns) > before:
                return False
        return True

    async def stalled() -> bool:
        task = asyncio.create_task(asyncio.to_thread(busy))
        while not task.done():
            await asyncio.sleep(0.001)  # it turns as often as it can; nothing is measured
            turns.append(1)
        return await task

    assert asyncio.run(stalled()) == stalls


def test_one_await_satisfies_the_rule(tmp_path: Path) -> None:
    bad, good = SNIPPETS / FOLDER / "coroutine.py", SNIPPETS / FOLDER / "process.py"
    assert "RUF029" in rules.found_only_in(bad, good)
    awaits, computes = tmp_path / "awaits.py", "    return sum_of_squares"
    source = bad.read_text().replace(computes, f"    await asyncio.sleep(0)\n{computes}")
    awaits.write_text(source)
    assert rules.found_only_in(awaits, good) == {"ARG001"}  # of what it doesn't compute with
