"""What the page on time claims: no verdict here comes from the speed of the machine."""

import asyncio
import contextlib
import inspect
import os
import re
import selectors
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import freezegun
import pytest
import tenacity
import time_machine

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts import clock, rules
from tests.parts.inner import watched
from tests.parts.postgres import column
from tests.parts.service import BIN
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/time"
HERE = SNIPPETS / FOLDER
ROWS = {row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"}
MOMENT = datetime(2100, 1, 31, tzinfo=UTC)
MINUTE = "multiplier=1)", "multiplier=60)"
LONGER = "asyncio.sleep(0.1)", "asyncio.sleep(1)"
LAST = "min(created.day, last)", "created.day"
Plant = Callable[..., ModuleType]


INSTRUCTIONS = [
    "Test what waits without waiting",
    "Let a test wait for what happens and never for a time, and give the code its date.",
    "If you don't know which clock to take, run what waits on a virtual clock, and pass the date to code that depends on it.",
    "Install looptime, pytest and tenacity.",
    "Don't replace the sleep",
    "Do: wait for the event",
    "Don't wait for a time",
    "Let an hour pass on a virtual clock to show that no second mail comes.",
    "Do: pass a date",
    "Don't test another date each day",
    "Set the clock of code that reads it",
    "Install time-machine, and look at the second before the end.",
    "Test a query on the real clock, and pass it the moment that it compares with.",
    "Search your tests for asyncio.sleep, and wait for an event in its place.",
    "Pass a clock where your code measures a silence, and a date where it counts days.",
    "Run what waits for nothing outside the process on a virtual clock.",
    "Run your tests on the loop of a busy machine, and call this file busy.py:",
]


JUDGEMENTS = [
    "We call the clock of an event loop that jumps to the next timer, as soon as all tasks wait, a virtual clock.",
]


@pytest.fixture
def plant(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """What gives the snippet with some of its text replaced."""

    def planted(old: str, new: str) -> ModuleType:
        text = Path(str(snippet.__file__)).read_text()
        assert text.count(old) == 1, old
        module = ModuleType("planted")
        monkeypatch.setitem(sys.modules, "planted", module)
        exec(compile(text.replace(old, new), "planted.py", "exec"), vars(module))  # noqa: S102  it is the block
        return module

    return planted


def red(test: Callable[[], Any]) -> bool:
    """Tell whether a test fails."""
    try:
        test()
    except (AssertionError, TimeoutError, ValueError):
        return True
    return False


@pytest.mark.holds(
    "Look at moments: the waits are those of production, and the test takes none of them.",
    "A replaced sleep moves no clock, so the limit of 20 seconds is never reached.",
    "With a first wait of a minute, charge raises TimeoutError, nobody pays, and this test is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/virtual.py",
        dont(f"{FOLDER}/patched.py", "a wait is a minute, and the test is green"),
    ],
    indirect=True,
)
def test_the_waits_are_those_of_production(snippet: ModuleType, plant: Plant) -> None:
    snippet.test_each_wait_is_twice_as_long()
    waiting, paid = plant(*MINUTE), list[str]()

    async def pay() -> str:
        paid.append("a try")
        raise ConnectionError

    async def check() -> float:
        with pytest.raises(TimeoutError):
            await waiting.charge(pay)
        return clock.now()

    assert (clock.run(check()), paid) == (20, ["a try"])
    short = plant(MINUTE[0], "multiplier=0)")
    found = [red(module.test_each_wait_is_twice_as_long) for module in (waiting, short)]
    assert all(found), "a wait is a minute, and the test is green"


@pytest.mark.holds(
    "A call that never answers ends at 20 seconds of the virtual clock, and the test waits for none of them.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/virtual.py"], indirect=True)
def test_a_call_that_hangs_ends_at_the_limit(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> str:
        with pytest.raises(TimeoutError):
            await snippet.charge(asyncio.Event().wait)
        return f"{clock.now():g} seconds"

    asked, select = set[float | None](), selectors.DefaultSelector.select

    def noting(self: Any, timeout: float | None = None) -> Any:
        asked.add(timeout)
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", noting)
    assert snippet.run(check()) == "20 seconds"
    assert asked == {0}  # it looked for what was ready, and never waited


def on(loop: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


@pytest.fixture
def busy() -> ModuleType:
    """The loop of a busy machine, as the page gives it."""
    module = ModuleType("busy")
    exec(compile((HERE / "busy.py").read_text(), "busy.py", "exec"), vars(module))  # noqa: S102  it is the block
    return module


@pytest.mark.holds(
    "A test is green on your laptop, and red in the pipeline, where the machine is busy.",
    "A mail needs 50 milliseconds, and the test sleeps for twice as long.",
    "Where each turn of the loop needs 100 milliseconds more, the assertion comes before the mail.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/signalled.py",
        dont(f"{FOLDER}/slept.py", "green on a fast machine, red on a busy"),
    ],
    indirect=True,
)
def test_a_busy_machine_changes_no_verdict(snippet: ModuleType, busy: ModuleType) -> None:
    async def lasts(main: Coroutine[Any, Any, None]) -> str:
        await main
        return f"{clock.now() * 1000:g} milliseconds"

    mail = snippet.FakeMailer().send("welcome")
    assert clock.run(lasts(mail)) == "50 milliseconds"
    test = clock.run(lasts(snippet.test_a_job_is_mailed()))
    assert test == ("100 milliseconds" if "slept" in snippet.__name__ else "50 milliseconds")
    assert f"{busy.COST * 1000:g} milliseconds" == "100 milliseconds"
    found = red(lambda: on(busy.BusyLoop, snippet.test_a_job_is_mailed()))
    assert not found, "green on a fast machine, red on a busy one"


@pytest.mark.holds(
    "A longer sleep delays each run, and is red on a machine that is busier still.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/slept.py"], indirect=True)
def test_a_longer_sleep_is_late_too(
    plant: Plant, busy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = plant(*LONGER)

    async def delayed() -> float:
        await longer.test_a_job_is_mailed()
        return clock.now()

    assert clock.run(delayed()) == 1
    monkeypatch.setattr(busy, "COST", 1)
    assert red(lambda: on(busy.BusyLoop, longer.test_a_job_is_mailed()))


@pytest.mark.holds(
    "The test goes on as soon as sent is set, and fails after 30 seconds without it.",
    "These bound a failure, and a test that passes waits for none of them: take a limit that no slow machine needs.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/signalled.py"], indirect=True)
def test_the_limit_bounds_a_failure(snippet: ModuleType, plant: Plant) -> None:
    async def ended(module: ModuleType, expected: Any) -> str:
        with expected:
            await module.test_a_job_is_mailed()
        return f"{clock.now():g} seconds"

    assert clock.run(ended(snippet, contextlib.nullcontext())) == "0.05 seconds"
    lost = plant("await mailer.send(await jobs.get())", "await jobs.get()")
    assert clock.run(ended(lost, pytest.raises(TimeoutError))) == "30 seconds"


def days(year: int) -> list[date]:
    """Return the days of a year."""
    first = date(year, 1, 1)
    return [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]


def rows(module: ModuleType) -> list[tuple[date, ...]]:
    """Return what the module's test is called with."""
    marks = getattr(module.test_an_invoice_is_due_in_a_month, "pytestmark", [])
    return marks[0].args[1] if marks else [()]


def red_on(module: ModuleType, day: date) -> bool:
    """Tell whether a module's test fails on a day."""
    with time_machine.travel(day, tick=False):
        found = [
            red(partial(module.test_an_invoice_is_due_in_a_month, *row)) for row in rows(module)
        ]
    return any(found)


@pytest.mark.holds(
    "Or it is green for weeks, and red at the end of a month.",
    "Look at the dates: each is at an edge of the calendar.",
    "due_on fails in December and at the end of some months, and on each other day the test is green.",
    "Ruff reports date.today() with DTZ011, which is none of its default rules.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/dated.py",
        dont(
            f"{FOLDER}/today.py",
            r"red on \d+ of 365 days",
            pytest.mark.finding("ruff", "DTZ011", line=11),
        ),
    ],
    indirect=True,
)
def test_the_calendar_changes_no_verdict(snippet: ModuleType) -> None:
    assert "date.today()" in (HERE / "today.py").read_text()
    check = ["ruff", "check", "--isolated", "--no-cache", str(HERE / "today.py")]
    default = subprocess.run(check, capture_output=True, text=True).stdout
    assert "DTZ011" not in default
    year = days(2027)
    found = {day for day in year if red_on(snippet, day)}
    ends = {day for day in found if day.month != 12}
    assert not found or {day for day in year if day.month == 12} < found
    assert all(day.day > 28 for day in ends)
    assert not found, f"the test is red on {len(found)} of {len(year)} days"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/dated.py"], indirect=True)
def test_the_edges_are_tested_each_day(snippet: ModuleType, plant: Plant) -> None:
    faults = [
        plant(*LAST),
        plant("year = created.year + years", "year = created.year"),
        plant("calendar.monthrange(year, month + 1)[1]", "28"),
    ]
    for fault in faults:
        assert {red_on(fault, day) for day in days(2027)[::30]} == {True}
    assert not red_on(snippet, date(2027, 6, 15))


@pytest.mark.holds(
    "Without tick=False, the clock goes on from the moment that you set.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/frozen.py"], indirect=True)
def test_the_end_is_met_to_the_second(snippet: ModuleType, plant: Plant) -> None:
    snippet.test_an_offer_ends_at_its_end()
    assert red(
        plant("datetime.now(UTC) >= end", "datetime.now(UTC) > end").test_an_offer_ends_at_its_end
    )
    for ticks in (False, True):
        with time_machine.travel(MOMENT, tick=ticks):
            before = datetime.now(UTC)
            time.sleep(0.001)  # the time that it shows must pass
            after = datetime.now(UTC)
        assert (after > before) == ticks
        assert before.year == MOMENT.year


async def sleeps() -> str:
    """Return how long the loop sleeps, beside turns that take real time."""
    if clock.now() == 0:
        await asyncio.sleep(3600)  # a clock that jumps takes none of it
        return "takes no time"
    sleeping = asyncio.create_task(asyncio.sleep(0.001))  # it is what is told of
    for _ in range(9):
        await asyncio.sleep(0)  # a turn of the loop
        time.sleep(0.001)  # noqa: ASYNC251  the time that it waits for must pass
    ended = sleeping.done()
    sleeping.cancel()
    return "real" if ended else "never ends"


async def told() -> str:
    """Return which clocks are set, as the page's table says it."""
    before = time.monotonic()
    time.sleep(0.001)  # noqa: ASYNC251  the time that it shows must pass
    real = time.monotonic() > before, datetime.now(UTC).year != MOMENT.year
    return " | ".join([await sleeps(), *("real" if each else "set" for each in real)])


@pytest.mark.holds(
    "looptime | takes no time | real | real",
    "time-machine, tick=False | real | real | set",
    "freezegun | never ends | set | set",
    "freezegun, real_asyncio=True | real | set | set",
    "What each of them moves",
)
def test_what_each_of_them_moves() -> None:
    ways: dict[str, contextlib.AbstractContextManager[Any]] = {
        "time-machine, tick=False": time_machine.travel(MOMENT, tick=False),
        "freezegun": freezegun.freeze_time(MOMENT),
        "freezegun, real_asyncio=True": freezegun.freeze_time(MOMENT, real_asyncio=True),
    }
    found = {f"looptime | {clock.run(told())}"}
    for name, setting in ways.items():
        with setting:
            found.add(f"{name} | {asyncio.run(told())}")
    assert found == ROWS


@pytest.mark.holds(
    "time-machine sets the clock of its own process, so now() of a database stays real.",
)
def test_the_clock_of_a_database_stays_real(database: str) -> None:
    with time_machine.travel(MOMENT, tick=False):
        assert datetime.now(UTC) == MOMENT
        (now,) = column(database, "SELECT now()")
    assert now.year < MOMENT.year


async def refused() -> None:
    """Stand in for a call that never succeeds."""
    raise ConnectionError


@pytest.mark.holds(
    "tenacity's stop_after_delay reads time.monotonic(): on a virtual clock, it doesn't stop after 20 seconds.",
    "Use asyncio.timeout, which reads the clock of the loop.",
)
def test_a_stop_of_tenacity_reads_another_clock() -> None:
    seconds, tries = 20, list[float]()
    waits = tenacity.wait_fixed(10)

    async def tried(stop: Any) -> list[float]:
        tries.clear()
        with contextlib.suppress(TimeoutError, tenacity.RetryError):
            async with asyncio.timeout(100):
                async for attempt in tenacity.AsyncRetrying(wait=waits, stop=stop):
                    with attempt:
                        tries.append(clock.now())
                        await refused()
        return [*tries]

    assert "time.monotonic()" in inspect.getsource(tenacity.RetryCallState)
    assert max(clock.run(tried(tenacity.stop_after_delay(seconds)))) > 2 * seconds
    assert clock.run(tried(tenacity.stop_after_attempt(3))) == [0, 10, seconds]


@pytest.mark.holds(
    "A virtual clock waits for no other process: while a database works, it jumps to the next timeout.",
)
def test_a_virtual_clock_waits_for_no_other_process() -> None:
    database, ours = socket.socketpair()

    async def query() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.get_running_loop().sock_recv(ours, 1)
        return clock.now()

    with database, ours:
        ours.setblocking(False)
        assert clock.run(query()) == 3600
        database.send(b"1")
        assert ours.recv(1) == b"1"


@pytest.mark.holds(
    "The service's Pulse takes a clock, and its test moves that:",
)
@pytest.mark.service("tests/test_monitor.py::test_a_loop_that_no_longer_turns_is_told")
@pytest.mark.proves("service/tests/test_monitor.py")
def test_the_service_passes_a_clock(service: Callable[[], None]) -> None:
    service()


ALONE = """
import asyncio

async def loop(): return type(asyncio.get_running_loop()).__name__
def test_of_a_def(): assert asyncio.run(loop()) != "BusyLoop"
async def test_of_an_async_def(): assert await loop() != "BusyLoop"
"""


@pytest.mark.holds(
    "With pytest-asyncio, python -m pytest -p busy turns slept.py red, and signalled.py stays green.",
    "A def test that calls asyncio.run makes a loop of its own, so nothing slows it there.",
)
@pytest.mark.proves(f"{FOLDER}/busy.py")
def test_a_suite_runs_on_a_busy_machine(tmp_path: Path) -> None:
    files = ["busy.py", "signalled.py", "slept.py"]
    for name in files:
        (tmp_path / name).write_text((HERE / name).read_text())
    (tmp_path / "alone.py").write_text(ALONE)
    settings = (SNIPPETS / "testing/fixtures/pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(settings)
    command = f"{BIN}/" + "python -m pytest -p busy"
    options = " -p pytest_asyncio.plugin -p no:cacheprovider -rA"
    done = subprocess.run(
        [*shlex.split(command + options), *files[1:], "alone.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    ends = set(re.findall(r"^(\w+ \w+\.py)::test_(\w+)", done.stdout, re.MULTILINE))
    assert ends == {
        ("PASSED signalled.py", "a_job_is_mailed"),
        ("FAILED slept.py", "a_job_is_mailed"),
        ("PASSED alone.py", "of_a_def"),
        ("FAILED alone.py", "of_an_async_def"),
    }, done.stderr


ANYIO = """
import pytest
from busy import BusyLoop

@pytest.fixture
def anyio_backend(): return "asyncio", {"loop_factory": BusyLoop}
"""


@pytest.mark.holds(
    'AnyIO takes the same loop from a fixture anyio_backend, which returns "asyncio", {"loop_factory": BusyLoop}.',
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/busy.py"], indirect=True)
def test_anyio_takes_the_same_loop(
    snippet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "busy", snippet)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (tmp_path / "pytest.ini").write_text("[pytest]\nanyio_mode = auto\n")
    test, options = tmp_path / "test_it.py", ["-c", str(tmp_path / "pytest.ini"), "-p", "anyio"]
    for name, expected in (("signalled", "passed"), ("slept", "failed")):
        test.write_text((HERE / f"{name}.py").read_text() + ANYIO)
        ((end, _),) = watched(test, options).ended.values()
        assert end == expected


@pytest.mark.holds(
    "A timeout of your code ends after fewer turns there, so read a red test before you mend it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/busy.py"], indirect=True)
def test_a_timeout_ends_after_fewer_turns(snippet: ModuleType) -> None:
    async def turns() -> None:
        async with asyncio.timeout(1):
            for _ in range(100):
                await asyncio.sleep(0)  # a turn of the loop

    clock.run(turns())
    (loop,) = snippet.pytest_asyncio_loop_factories().values()
    assert red(lambda: on(loop, turns()))


@pytest.mark.holds("Ruff reports nothing in slept.py.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/slept.py"], indirect=True)
def test_ruff_reports_no_sleep_in_a_test(snippet: ModuleType) -> None:
    assert rules.found_only_in(HERE / "slept.py", HERE / "signalled.py") == set()
    assert "sleep(0.1)" in Path(str(snippet.__file__)).read_text()
