"""Time that doesn't depend on the machine: a clock that jumps, and conditions to wait for.

A test says in which order things happen. How long they take says only how busy the machine is.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import looptime
import pytest

T = TypeVar("T")
LOOP = functools.partial(looptime.new_event_loop, start=0)
POLL = 0.002  # seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a clock that begins at 0 and jumps to the next timer when all tasks wait.

    What is ready comes first, sockets too, so nothing is late, however busy the machine is.
    All that it waits for must happen in this process: the clock waits for no other.
    """
    with asyncio.Runner(loop_factory=LOOP) as runner:
        return runner.run(main)


def now() -> float:
    """Return the seconds since the start on the clock of the event loop that runs."""
    return asyncio.get_running_loop().time()


async def passed(seconds: float) -> None:
    """Let time pass on the clock that jumps, with all that happens meanwhile."""
    assert isinstance(asyncio.get_running_loop(), looptime.LoopTimeEventLoop), "it would be real"
    await asyncio.sleep(seconds)  # on the clock that jumps, so it takes no time


async def until(condition: Callable[[], object]) -> None:
    """Return once a condition holds; who waits in vain ends at the test's own limit."""
    while not condition():  # noqa: ASYNC110  the condition is no one's event
        await asyncio.sleep(POLL)  # what it waits for sends no event; the time decides nothing


def wait(condition: Callable[[], object]) -> None:
    """Return once a condition holds that no event loop is needed for."""
    while not condition():
        time.sleep(POLL)  # what it waits for sends no event; the time decides nothing


def stopwatch(module: ModuleType, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a module's stopwatch show these seconds at its second reading, whatever passes.

    So a test can tell at which time what the module prints becomes another.
    """
    readings = iter((0.0, seconds))
    told = {**vars(time), "perf_counter": lambda: next(readings)}
    monkeypatch.setattr(module, "time", SimpleNamespace(**told))


def at_once(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a module sleeps for in the event loop take one turn of the loop."""
    turn = functools.partial(asyncio.sleep, 0)  # a turn, in which others run
    told = {**vars(asyncio), "sleep": lambda _: turn()}
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(**told))
