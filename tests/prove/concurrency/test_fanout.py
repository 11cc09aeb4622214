"""What the page on fan-out claims."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from tests.parts import clock, pictures, rules
from tests.parts.postgres import column
from tests.parts.server import serving

FOLDER = "concurrency/fanout"
CALLS = 40
LOCKED_OUT = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
WAIT = text("SELECT pg_advisory_xact_lock_shared(1)")  # until the test lets go


INSTRUCTIONS = [
    "Limit how many tasks run at once",
    "Start the tasks in an asyncio.TaskGroup, and let one semaphore for the process limit how many of them work at once.",
    "If you don't know the limit, set it to two thirds of the pool of connections, and measure how long tasks wait.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Take a long list in parts.",
    "Don't: start all calls at once",
    "Do: let a failure stop the rest",
    "Send a key with each message that makes a second one harmless.",
    "Don't: leave tasks behind",
    "Create the semaphore where the process starts: in the lifespan, or at the top of the module.",
    "Count the processes, or they open too many connections: each has its own semaphore and its own pool.",
    "Add up the pools of all processes.",
    "Leave connections for the reads",
    "Write two tests of your own endpoint.",
    "Count the connections in use while two requests ask for more than the pool holds.",
    "Make one task fail, wait, and look for what the others did meanwhile.",
    "Copy watch.py, which stands folded under the picture, for the count, and put your own call in place of its query.",
]


JUDGEMENTS = [
    "We call it a fan-out when one request starts many tasks.",
    "We call that structured concurrency.",
]


async def fetch(
    snippet: ModuleType, engine: AsyncEngine, *, calls: int = CALLS, requests: int = 1
) -> tuple[Any, int]:
    """Return what the last request fetched, or what it raised, and the most connections in use."""
    used = peak = 0

    def count(step: int) -> Any:
        def note(*_: object) -> None:
            nonlocal used, peak
            used += step
            peak = max(peak, used)

        return note

    event.listen(engine.sync_engine, "checkout", count(1))
    event.listen(engine.sync_engine, "checkin", count(-1))
    sessions = async_sessionmaker(engine)
    try:
        asked = [snippet.fetch_all(sessions, range(calls)) for _ in range(requests)]
        found = (await asyncio.gather(*asked))[-1]
    except* PoolTimeoutError as group:
        found = group.exceptions
    finally:
        await engine.dispose()
    return found, peak


@pytest.mark.holds(
    "Without the semaphore all calls ask for a connection in the same moment.",
    "A call that gets no connection within pool_timeout fails with sqlalchemy.exc.TimeoutError, which isn't the built-in one.",
    "While a task waits for the semaphore, pool_timeout doesn't run.",
)
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
    failed = [answer for answer in found if isinstance(answer, Exception)]
    assert not failed, f"some of {CALLS} calls failed"  # how many is different each time
    assert found == [number**2 for number in range(CALLS)]


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/bounded.py", f"{FOLDER}/unbounded.py"], indirect=True
)
def test_a_call_that_fails_stops_the_rest(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = list[int]()

    async def call(_: object, number: int) -> int:
        try:
            if number == 1:
                raise LookupError
            return await asyncio.Event().wait()
        finally:
            ended.append(number)

    monkeypatch.setattr(snippet, "fetch", call)
    with pytest.RaisesGroup(LookupError):
        clock.run(snippet.fetch_all(None, range(3)))
    assert sorted(ended) == [0, 1, 2]


@pytest.mark.holds("The blocks here set a short pool_timeout.")
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/bounded.py", f"{FOLDER}/unbounded.py"], indirect=True
)
def test_the_blocks_wait_a_short_time_for_a_connection(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = list[float]()

    def note(url: str, *, pool_timeout: float = 30) -> AsyncEngine:
        given.append(pool_timeout)
        return create_async_engine(url, pool_timeout=pool_timeout)

    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(snippet, "create_async_engine", note)
    asyncio.run(snippet.main())
    assert given == [0.05]


@pytest.mark.holds(
    "At most 10 connections were in use, also when two requests did this at once.",
    "Look at fetch: a task waits for the semaphore before it asks the pool for a connection.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_ten_connections_are_in_use_at_most(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    _, peak = asyncio.run(fetch(snippet, create_async_engine(database), calls=15, requests=2))
    record_property("figure", f"{peak} connections")
    assert peak == 10


@pytest.mark.holds(
    "The semaphore limits what works, not what waits: each number has its task from the start.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_each_number_has_its_task_from_the_start(snippet: ModuleType, database: str) -> None:
    async def tasks() -> int:
        before = asyncio.all_tasks()
        fetching = asyncio.create_task(fetch(snippet, create_async_engine(database), calls=12))
        await clock.until(snippet.LIMIT.locked)  # by then, each of them has been made
        started = len(asyncio.all_tasks() - before)
        await fetching
        return started

    assert asyncio.run(tasks()) == 2 + 12  # the one that fetches, the request, and the numbers'


@pytest.mark.holds(
    "Create a new semaphore for each event loop that a test runs: a semaphore belongs to the loop in which a task first waits for it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/bounded.py"], indirect=True)
def test_a_semaphore_belongs_to_the_loop_that_waits_for_it(snippet: ModuleType) -> None:
    async def wait() -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(11):
                tasks.create_task(hold())

    async def hold() -> None:
        async with snippet.LIMIT:
            await asyncio.sleep(0)  # a turn of the loop, in which the eleventh asks

    asyncio.run(wait())
    other = pytest.RaisesExc(RuntimeError, match="is bound to a different event loop")
    with pytest.RaisesGroup(other):
        asyncio.run(wait())


@pytest.mark.holds(
    "PostgreSQL takes 100 connections by default, and keeps 3 of them for superusers.",
)
def test_what_the_server_and_the_pool_give(database: str, record_property: Any) -> None:
    (most,) = column(database, "SHOW max_connections")
    (kept,) = column(database, "SHOW superuser_reserved_connections")
    record_property("figure", f"{most} connections")
    record_property("figure", f"{kept} of")
    assert (int(most), int(kept)) == (100, 3)
    assert not issubclass(PoolTimeoutError, TimeoutError)


@pytest.mark.holds(
    'An endpoint makes a call for each of many ids, all at once, and fails with "QueuePool limit of size 5 overflow 10 reached" in the busiest hour.',
    "SQLAlchemy's pool holds 15 connections by default: pool_size is 5 and max_overflow is 10.",
    "When the pool is exhausted, a call waits up to 30 seconds for a connection.",
    "With the default the same calls pass: the failure isn't there in tests.",
    "With the pool's default timeout and quick queries, the same code passes in the tests.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unbounded.py"], indirect=True)
def test_the_pool_has_fifteen_connections_and_thirty_seconds(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    engine = create_async_engine(database)
    pool: Any = engine.sync_engine.pool
    found, peak = asyncio.run(fetch(snippet, engine))
    assert found == [number**2 for number in range(CALLS)]
    pool_size, max_overflow = pool.size(), pool._max_overflow
    assert (pool_size, max_overflow, peak) == (5, 10, 15)
    record_property("figure", f"{peak} connections")
    record_property("figure", f"{pool._timeout:g} seconds")
    failed, _ = asyncio.run(fetch(snippet, create_async_engine(database, pool_timeout=0.05)))
    assert "QueuePool limit of size 5 overflow 10 reached" in str(failed[0])
    record_property("figure", f"{CALLS} calls")


@pytest.mark.holds(
    "When one task of a group fails, the group cancels the others, waits until they have ended, and raises an ExceptionGroup.",
    "asyncio.gather raises the first error too, but the others go on, and nobody waits for them.",
    "A task group gives concurrent code the shape of a block: when it ends, all that it started has ended.",
    "No task outlives the block of its group, or the session that was opened around the block; a thread that a task started does.",
    'Its text is "unhandled errors in a TaskGroup", so log the exceptions in it too.',
)
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
        await clock.passed(60)
        return len(sent)

    late = clock.run(sent_after_the_failure())
    assert not late, f"{late} messages were sent after the failure"


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/cancelled.py", f"{FOLDER}/orphaned.py"], indirect=True
)
def test_all_is_sent_when_nothing_fails(snippet: ModuleType) -> None:
    sent: list[str] = []
    clock.run(snippet.notify_all(["ann@example.org", "cy@example.org"], sent))
    assert sent == ["ann@example.org", "cy@example.org"]

    async def ended() -> float:
        await snippet.main()
        return clock.now()

    assert clock.run(ended()) >= 0.1, "what it prints is too early to tell"


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/cancelled.py", f"{FOLDER}/orphaned.py"], indirect=True
)
def test_only_a_failure_is_caught(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave(*_: object) -> None:
        raise BaseExceptionGroup("", [GeneratorExit()])

    monkeypatch.setattr(snippet, "notify_all", leave)
    with pytest.RaisesGroup(GeneratorExit):
        clock.run(snippet.main())


@pytest.mark.holds(
    "A caller that corrects the address and sends all again sends the other messages twice.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/orphaned.py"], indirect=True)
def test_a_second_try_sends_twice(snippet: ModuleType) -> None:
    others, right = ["ann@example.org", "cy@example.org"], "bob@example.org"

    async def try_twice() -> list[str]:
        sent: list[str] = []
        with pytest.raises(ValueError, match="bob"):
            await snippet.notify_all([*others, "bob"], sent)
        await snippet.notify_all([*others, right], sent)
        return sent

    assert sorted(clock.run(try_twice())) == sorted([*others * 2, right])


@pytest.mark.holds(
    "A task group takes nothing back that was sent before the failure.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/cancelled.py"], indirect=True)
def test_a_task_group_takes_nothing_back(snippet: ModuleType) -> None:
    sent: list[str] = []

    async def fail_later(first: asyncio.Task[None]) -> None:
        await first
        await snippet.notify("bob", sent)

    async def send() -> None:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(snippet.notify("ann@example.org", sent))
            tasks.create_task(fail_later(first))

    with pytest.RaisesGroup(ValueError):
        clock.run(send())
    assert sent == ["ann@example.org"]


@pytest.mark.holds(
    "A task group ends late if a clean-up does",
    "A task group waits for the tasks that it cancels.",
    "So a timeout around the group ends after the clean-up of its slowest task, not at the limit.",
)
def test_a_task_group_waits_for_the_tasks_that_it_cancels() -> None:
    steps = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("cancelled")
            await clock.passed(10)
            steps.append("ended")

    async def limit() -> list[str]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as tasks:
                tasks.create_task(work())
        return list(steps)

    assert clock.run(limit()) == ["cancelled", "ended"]


@pytest.mark.holds(
    "Use asyncio.gather with return_exceptions=True where all must be tried, and look at each result.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/orphaned.py"], indirect=True)
def test_gather_tries_all_and_returns_the_exceptions(snippet: ModuleType) -> None:
    async def try_all() -> list[Any]:
        notes = [snippet.notify(address, sent) for address in ("bob", "ann@example.org")]
        return await asyncio.gather(*notes, return_exceptions=True)

    sent: list[str] = []
    failed, worked = clock.run(try_all())
    assert isinstance(failed, ValueError)
    assert worked is None
    assert sent == ["ann@example.org"]


@pytest.mark.holds("No rule of Ruff asks for a limit.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unbounded.py"], indirect=True)
def test_no_rule_asks_for_a_limit(snippet: ModuleType) -> None:
    dont = Path(str(snippet.__file__))
    assert not rules.found_only_in(dont, dont.with_name("bounded.py"))


@pytest.mark.holds("No rule of Ruff minds asyncio.gather.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/orphaned.py"], indirect=True)
def test_no_rule_minds_gather(snippet: ModuleType) -> None:
    dont = Path(str(snippet.__file__))
    assert "asyncio.gather" in dont.read_text()
    assert not rules.found_only_in(dont, dont.with_name("cancelled.py"))


@pytest.mark.holds(
    "Raise an HTTPException outside the group, as an ExceptionGroup with an HTTPException in it is answered 500.",
)
def test_a_group_with_an_http_exception_is_answered_500() -> None:
    app = FastAPI()

    async def missing() -> None:
        raise HTTPException(404)

    @app.get("/inside")
    async def inside() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(missing())

    @app.get("/outside")
    async def outside() -> None:
        found = True
        try:
            await inside()
        except* HTTPException:
            found = False
        if not found:
            raise HTTPException(404)

    async def statuses(url: str) -> list[int]:
        async with (
            aiohttp.ClientSession(url) as client,
            client.get("/inside") as first,
            client.get("/outside") as second,
        ):
            return [first.status, second.status]

    with serving(app) as server:
        assert asyncio.run(statuses(server.url)) == [500, 404]


@pytest.mark.holds(
    "Before Python 3.13, a group swallows the cancellation if a task fails in its clean-up, and a timeout around code that catches that failure raises nothing.",
)
def test_a_group_can_swallow_a_cancellation() -> None:
    async def fail_late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError from None

    async def inner() -> None:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail_late())

    async def outer() -> str:
        try:
            async with asyncio.timeout(1):
                await inner()
                await clock.passed(5)
        except TimeoutError:
            return "a timeout"
        return "nothing"

    assert clock.run(outer()) == ("nothing" if sys.version_info < (3, 13) else "a timeout")


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


async def watched(snippet: ModuleType, database: str, at_once: int) -> list[dict[str, float]]:
    """Return what is seen of calls whose queries end once all who get a connection have it."""
    before, engine, using = asyncio.all_tasks(), create_async_engine(database), min(at_once, 15)
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
        watch = asyncio.create_task(snippet.watch(CALLS, at_once))
        while await connection.scalar(LOCKED_OUT) < using and not watch.done():
            pass  # until they wait for the lock
        if at_once == CALLS:  # the others have no connection, and fail
            await clock.until(lambda: len(asyncio.all_tasks() - before) <= using + 1)
    await engine.dispose()
    seen: list[dict[str, float]] = await watch
    return seen


@pytest.mark.holds(
    "How the pool fills, drawn",
    "The same 40 calls, unbounded and bounded.",
    "How it was recorded and drawn",
    "This program ran the calls and noted each change.",
)
@pytest.mark.proves(f"{FOLDER}/pool.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/watch.py"], indirect=True)
def test_the_data_shows_a_run(
    snippet: ModuleType,
    database: str,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh, updating = {}, pytestconfig.option.update_examples
    if not updating:  # a picture shows queries that take time, a test needs none
        monkeypatch.setattr(snippet, "text", lambda _: WAIT)
    for name, at_once in {"unbounded": CALLS, "bounded": 10}.items():
        seen = asyncio.run(watched(snippet, database, at_once))
        times = [moment["time"] for moment in seen]
        assert times[0] > 0 and times == sorted(times)
        assert min(min(moment.values()) for moment in seen) >= 0
        assert seen[-1]["using"] == seen[-1]["waiting"] == 0
        fresh[name] = [{**moment, "time": round(1000 * moment["time"])} for moment in seen]
    pictures.hold_data(f"{FOLDER}/pool", fresh, shape, shape(fresh), updating)


@pytest.mark.holds(
    "Connections in use, calls that wait and calls that failed, over time",
    "unbounded: 25 failed, bounded: 0 failed",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    updating = pytestconfig.option.update_examples
    pictures.hold_picture(f"{FOLDER}/pool", snippet.draw, updating)
    assert snippet.ROWS == {"using": "good", "waiting": "warn", "failed": "bad"}
    assert snippet.WORDS == {
        "using": "connections in use",
        "waiting": "calls waiting",
        "failed": "calls failed",
    }
    seen = [{"time": time, "using": 1, "waiting": 0, "failed": 0} for time in (0, 5, 10)]
    assert 'L200 122.1L400 122.1L400 122.1" class="good"' in snippet.draw({"one": seen})


@pytest.mark.holds(
    "In the service, requests that change users take half of the connections at most, so that reads go on:",
)
@pytest.mark.service(
    "tests/test_waits.py::test_those_that_wait_for_many_rows_leave_connections_to_reads"
)
@pytest.mark.proves("service/src/accounts/turns.py")
def test_the_service_leaves_connections_to_reads(service: Callable[[], None]) -> None:
    service()
