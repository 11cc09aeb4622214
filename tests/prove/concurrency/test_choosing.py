"""What the page on choosing claims."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import resource_tracker
from types import ModuleType

import pytest

FOLDER = "concurrency/choosing"


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    """A pool with a process that has started."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        pool.submit(abs, 1).result()
        yield pool
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # or it stays


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
        task = asyncio.create_task(snippet.answer(processes, limit=1_000_000))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert await task == 333332833333500000
        return turns

    assert asyncio.run(count_turns()) > 1, "the loop turned once"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/process.py"], indirect=True)
def test_the_sum_is_right(snippet: ModuleType) -> None:
    assert snippet.sum_of_squares(4) == 14
