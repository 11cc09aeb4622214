"""What the page on fan-out claims."""

import asyncio
import time
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from tests.parts import pictures

FOLDER = "concurrency/fanout"
CALLS = 40


async def fetch(snippet: ModuleType, engine: AsyncEngine) -> tuple[Any, int]:
    """Return what the snippet fetched, or what it raised, and the most connections in use."""
    used = peak = 0

    def count(step: int) -> Any:
        def note(*_: object) -> None:
            nonlocal used, peak
            used += step
            peak = max(peak, used)

        return note

    event.listen(engine.sync_engine, "checkout", count(1))
    event.listen(engine.sync_engine, "checkin", count(-1))
    try:
        found = await snippet.fetch_all(async_sessionmaker(engine), range(CALLS))
    except* PoolTimeoutError as group:
        found = group.exceptions
    finally:
        await engine.dispose()
    return found, peak


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/bounded.py",
        pytest.param(
            f"{FOLDER}/unbounded.py",
            marks=pytest.mark.xfail(  # a call that finds no connection in time fails
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="of 40 calls failed"),
            ),
        ),
    ],
    indirect=True,
)
def test_each_call_gets_its_answer(snippet: ModuleType, database: str) -> None:
    engine = create_async_engine(database, pool_timeout=0.05)
    found, _ = asyncio.run(fetch(snippet, engine))
    failed = sum(isinstance(answer, Exception) for answer in found)
    assert not failed, f"{failed} of {CALLS} calls failed"
    assert found == [number**2 for number in range(CALLS)]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_ten_connections_are_in_use_at_most(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    _, peak = asyncio.run(fetch(snippet, create_async_engine(database)))
    record_property("figure", f"{peak} connections")
    assert peak == 10


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unbounded.py"], indirect=True)
def test_the_pool_has_fifteen_connections_and_thirty_seconds(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    engine = create_async_engine(database)
    pool: Any = engine.sync_engine.pool
    found, peak = asyncio.run(fetch(snippet, engine))
    assert found == [number**2 for number in range(CALLS)]
    assert peak == pool.size() + pool._max_overflow == 15
    record_property("figure", f"{peak} connections")
    record_property("figure", f"{pool._timeout:g} seconds")
    record_property("figure", f"{CALLS} calls")


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/cancelled.py",
        pytest.param(
            f"{FOLDER}/orphaned.py",
            marks=pytest.mark.xfail(  # gather leaves the others running
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="2 messages were sent after"),
            ),
        ),
    ],
    indirect=True,
)
def test_nothing_goes_on_after_a_failure(snippet: ModuleType) -> None:
    async def sent_after_the_failure() -> int:
        sent: list[str] = []
        with pytest.raises((ValueError, ExceptionGroup), match=r"bob|unhandled errors"):
            await snippet.notify_all(["ann@example.org", "bob", "cy@example.org"], sent)
        assert not sent
        await asyncio.sleep(0.1)
        return len(sent)

    late = asyncio.run(sent_after_the_failure())
    assert not late, f"{late} messages were sent after the failure"


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/cancelled.py", f"{FOLDER}/orphaned.py"], indirect=True
)
def test_all_is_sent_when_nothing_fails(snippet: ModuleType) -> None:
    sent: list[str] = []
    asyncio.run(snippet.notify_all(["ann@example.org", "cy@example.org"], sent))
    assert sent == ["ann@example.org", "cy@example.org"]
    started = time.perf_counter()
    asyncio.run(snippet.main())
    assert time.perf_counter() - started >= 0.1, "what it prints is too early to tell"


def shape(runs: dict[str, list[dict[str, float]]]) -> dict[str, tuple[float, float, float]]:
    """Return for each run the most connections in use, the most that wait, and who failed."""
    return {
        name: (
            max(moment["using"] for moment in seen),
            max(moment["waiting"] for moment in seen),
            seen[-1]["failed"],
        )
        for name, seen in runs.items()
    }


@pytest.mark.proves(f"{FOLDER}/pool.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/watch.py"], indirect=True)
def test_the_data_shows_a_run(snippet: ModuleType, pytestconfig: pytest.Config) -> None:
    fresh = {}
    for name, at_once in {"unbounded": CALLS, "bounded": 10}.items():
        started = time.perf_counter()
        seen = asyncio.run(snippet.watch(CALLS, at_once))
        assert 0 < seen[0]["time"] <= seen[-1]["time"] <= time.perf_counter() - started
        assert min(min(moment.values()) for moment in seen) >= 0
        assert seen[-1]["using"] == seen[-1]["waiting"] == 0
        fresh[name] = [{**moment, "time": round(1000 * moment["time"])} for moment in seen]
    pictures.hold_data(f"{FOLDER}/pool", fresh, shape, pytestconfig.option.update_examples)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    updating = pytestconfig.option.update_examples
    pictures.hold_picture(f"{FOLDER}/pool", snippet.draw, updating)
    seen = [{"time": time, "using": 1, "waiting": 0, "failed": 0} for time in (0, 5, 10)]
    assert 'L200 122.1L400 122.1L400 122.1" class="good"' in snippet.draw({"one": seen})
