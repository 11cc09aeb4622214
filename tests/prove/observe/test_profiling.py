"""What the page on profiling claims: each profiler finds the fault that was planted for it."""

import asyncio
import cProfile
import ctypes
import json
import logging
import os
import pstats
import re
import subprocess
import sys
import threading
import tracemalloc
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from fastapi import Depends

from tests.engine.pages import SNIPPETS
from tests.parts import pictures
from tests.parts.server import Server, asked, beside, serving
from tests.prove.twins import dont

FOLDER = "observe/profiling"
HERE = SNIPPETS / FOLDER
BIN = Path(sys.prefix, "bin")
WAIT = 0.2  # seconds, which the bank takes on the page
RUN = [
    'py-spy dump --pid "$PID"',
    'py-spy record --pid "$PID" --duration 30 --format raw --output stacks.txt',
]
ORDERS = [(250, "USD")] * 1000
ANY = 0x59616D61, -1  # PR_SET_PTRACER and PR_SET_PTRACER_ANY: each process may look into this one


INSTRUCTIONS = [
    "Find what is slow before you change it",
    "Look here when an endpoint takes longer than its budget, and each of you suspects another function.",
    "Look here too when the memory of a process grows from day to day.",
    "Take a profile before you change code, with a profiler that sees what you look for.",
    "If you don't know which, take py-spy, and then pyinstrument where the processor is idle.",
    "Do: profile code that calculates",
    "Look at profiled: all that runs inside with is counted.",
    "Do: see what a request waits for",
    "Install fastapi, uvicorn and pyinstrument.",
    "Look at profiled: it is a dependency, so it runs in the task of an async def endpoint.",
    "Don't profile from a middleware",
    "Don't profile what waits with cProfile",
    "Do: look into a process that runs",
    "Install py-spy, and export the number of the process as PID:",
    "Run both as root on a Mac, and on a Linux that lets only a parent look into a process; give a container the capability SYS_PTRACE.",
    "Do: compare two snapshots of the memory",
    "Do: find the peak with memray",
    "Run the load again, so that the profile shows what is slow under it.",
    "Take py-spy on the process that is slow, and look for the widest box.",
    "Add profiled to the router of the slow async def endpoint where the processor is idle, and remove it after that.",
    "Change one thing, and take the profile again.",
    "Write a test that counts, so that the mended code stays mended.",
    "Copy calls, and give it the code of the function that must not run for each order:",
]


JUDGEMENTS = [
    "We call a record of where a program of ours spends its time or its memory a profile.",
]


@pytest.mark.holds(
    "a function that calculates | cProfile",
    "One call of total reads the rates 1000 times, once for each order.",
    "stats.print_stats(10) prints the ten functions in which most time passed, with what they called.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/computed.py"], indirect=True)
def test_the_profile_ranks_what_calculates(
    snippet: ModuleType, capsys: pytest.CaptureFixture[str], record_property: Any
) -> None:
    stats = snippet.profiled(lambda: snippet.total(ORDERS))
    told = stats.get_stats_profile().func_profiles
    record_property("figure", f"{told['read_rates'].ncalls} times")
    assert len(ORDERS) == int(told["read_rates"].ncalls) == 1000
    stats.print_stats(10)
    rows = re.findall(r"^ +[\d/]+( +[\d.]+){4} .*\((\w+)\)", capsys.readouterr().out, re.MULTILINE)
    names = [name for _, name in rows]
    assert names.index("total") < names.index("read_rates") < names.index("loads")
    assert len(rows) <= {"ten": 10}["ten"]


def seconds(text: str) -> float:
    """Return how many seconds a profile names beside `charge`, in either form."""
    told = re.search(r"([\d.]+) charge\b", text) or re.search(
        r"([\d.]+) +[\d.]+ \S+\(charge\)", text
    )
    return float(told[1]) if told else 0.0


@pytest.mark.holds(
    "what one request waits for | pyinstrument",
    "The profile in the log names charge with the whole wait.",
    '@app.middleware("http") runs the endpoint in another task, and the wait is shown as Event.wait.',
    "The answer is the same, and so is each test of the endpoint.",
    "While charge waits, its profile counts nothing for it: the time goes to the event loop, which polls on Linux.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/waited.py",
        dont(f"{FOLDER}/wrapped.py", "the wait of 200 ms stands elsewhere: Event.wait"),
        dont(f"{FOLDER}/awaited.py", "the wait of 200 ms stands elsewhere: poll"),
    ],
    indirect=True,
)
def test_the_profile_names_what_waits(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    assert logging.getLogger(snippet.__name__).getEffectiveLevel() == logging.WARNING  # the default
    told = set(asked(snippet.app, "POST /orders", "POST /orders"))
    assert told == {(200, "application/json", '"ordered"')}
    text = [each.getMessage() for each in caplog.records if each.name == snippet.__name__][-1]
    where = re.findall(r"Event\.wait|poll(?=' of)", text)[:1]
    found = seconds(text) >= WAIT * 0.9
    assert found, f"the wait of {WAIT * 1000:g} ms stands elsewhere: {where[0]}"


@pytest.mark.holds(
    "Look at finally: a request that fails, such as by a timeout, is in the log too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/waited.py"], indirect=True)
def test_a_request_that_fails_is_profiled(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def order() -> None:
        async with asyncio.timeout(WAIT * 0.8):
            await snippet.charge()

    snippet.app.post("/late", dependencies=[Depends(snippet.profiled)])(order)
    assert asked(snippet.app, "POST /late")[0][0] == 500
    (text,) = [each.getMessage() for each in caplog.records if each.name == snippet.__name__]
    assert seconds(text) >= WAIT / 2


@pytest.mark.holds(
    "Before Python 3.12, cProfile saw its own thread only, and a second profile there ended the first without a word.",
    "Since Python 3.12 it sees all threads, and a second profile at the same time raises ValueError: Another profiling tool is already active.",
    "So the second of two requests at once is answered 500 there.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/awaited.py"], indirect=True)
def test_what_the_profile_of_python_counts(snippet: ModuleType) -> None:
    async def twice() -> None:
        await snippet.charge()
        await snippet.charge()

    def calls(work: Any) -> dict[str, Any]:
        with cProfile.Profile() as profile:
            work()
        return dict(pstats.Stats(profile).get_stats_profile().func_profiles)

    def in_a_thread() -> None:
        thread = threading.Thread(target=json.dumps, args=[1])
        thread.start()
        thread.join()

    with ThreadPoolExecutor() as pool, cProfile.Profile():
        error = pool.submit(cProfile.Profile().enable).exception()
    since = sys.version_info >= (3, 12)
    first, second = cProfile.Profile(), cProfile.Profile()
    if not since:
        first.enable()
        second.enable()
        json.dumps(1)
        second.disable()
        json.loads("1")
        first.disable()
        noted = [entry.code.co_name for entry in first.getstats() if hasattr(entry.code, "co_name")]
        assert not {"dumps", "loads"} & {*noted}
    refused = "ValueError: Another profiling tool is already active"
    assert f"{type(error).__name__}: {error}" == (refused if since else "NoneType: None")
    assert int(calls(lambda: asyncio.run(twice()))["charge"].ncalls) == 2 * 2
    assert ("dumps" in calls(in_a_thread)) == since

    async def both() -> list[int]:
        async def order(client: aiohttp.ClientSession) -> int:
            async with client.post("/orders") as answer:
                return answer.status

        async with (
            beside(snippet.app, timeout_graceful_shutdown=20) as server,
            aiohttp.ClientSession(server.url) as client,
        ):
            return sorted(await asyncio.gather(order(client), order(client)))

    assert asyncio.run(both()) == ([200, 500] if since else [200, 200])


def watchable(app: Any) -> Any:
    """Return an app that lets `py-spy` look into its process, where only a parent may."""

    async def opened(scope: Any, receive: Any, send: Any) -> None:
        ctypes.CDLL(None).prctl(*ANY)
        await app(scope, receive, send)

    return opened


def looked_into(server: Server, folder: Path) -> tuple[str, str]:
    """Run the page's commands on a server for a shorter time; return the stacks that they tell."""
    script = "\n".join(RUN)
    assert script.count("--duration 30 ") == 1
    done = subprocess.run(
        ["sh", "-eu", "-c", script.replace("--duration 30 ", "--duration 2 ")],
        cwd=folder,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "PID": str(server.pid)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, (folder / "stacks.txt").read_text()


def shares(stacks: str) -> dict[str, float]:
    """Return the share of the samples of an invoice that each stack has, from the endpoint up."""
    found = Counter[str]()
    for line in stacks.splitlines():
        names = re.findall(r"(?:^|;)([\w.<>]+) \(", line)
        if "invoice" in names:
            found[";".join(names[names.index("invoice") :])] += int(line.rpartition(" ")[2])
    return {stack: round(count / found.total(), 2) for stack, count in sorted(found.items())}


def shape(stacks: dict[str, float]) -> dict[str, Any]:
    """Return what the page says of the stacks: what takes most, and that it is most of all."""
    worst = max(stacks, key=lambda stack: stacks[stack])
    return {"worst": worst, "most": stacks[worst] > 0.5}


@pytest.mark.holds(
    "what a running process does now | py-spy",
    'Run py-spy dump --pid "$PID" to print the stack of each thread.',
    'Run py-spy record --pid "$PID" --duration 30 --format raw --output stacks.txt to count the stacks for 30 seconds.',
    "Neither command needs a change of your code, or a restart.",
    "A flame graph: each box is a call, as wide as its share of the samples.",
    "It stands on its caller.",
    "In the picture that py-spy writes itself, a box hangs below its caller.",
    "The data of the picture, and how it is drawn",
    "The picture is made from what py-spy recorded while clients asked for invoices.",
    "This service is slow:",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/served.py"], indirect=True)
def test_a_running_process_is_looked_into(
    snippet: ModuleType, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    served, ended = threading.Event(), threading.Event()

    def ask(url: str) -> None:
        while not ended.is_set():
            with urllib.request.urlopen(f"{url}/invoices/7") as answer:  # noqa: S310  it is ours
                assert answer.status == 200
            served.set()

    with serving(watchable(snippet.app)) as server, ThreadPoolExecutor() as pool:
        try:
            asking = pool.submit(ask, server.url)
            assert served.wait(60)
            dumped, stacks = looked_into(server, tmp_path)
            record = f"{BIN}/py-spy record --pid {server.pid} --duration 2 --output graph.svg"
            subprocess.run(record.split(), cwd=tmp_path, check=True, capture_output=True)
        finally:
            ended.set()
        asking.result()
    assert dumped.count("Thread ") >= 2
    drawn = (tmp_path / "graph.svg").read_text()
    caller, called = (
        re.findall(rf'<title>{name} [^<]*</title><rect [^>]*?\by="(\d+)"', drawn)
        for name in ("invoice", "sign")
    )
    assert max(map(int, caller)) < min(map(int, called)), "it hangs from its caller"
    wanted = {"worst": "invoice;sign", "most": True}
    updating = pytestconfig.option.update_examples
    pictures.hold_data(f"{FOLDER}/stacks", shares(stacks), shape, wanted, updating)
    assert shape(shares(stacks)) == wanted


@pytest.mark.holds(
    "Where the processor time of an invoice goes",
    "invoice calls sign: 89% of the samples.",
    "sign is on top of most samples: make it cheaper, and leave render alone.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
@pytest.mark.proves(f"{FOLDER}/stacks.json")
def test_the_flame_graph_is_drawn_from_the_samples(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    stacks = json.loads((HERE / "stacks.json").read_text())
    record_property("figure", f"{100 * stacks['invoice;sign']:.0f}")
    assert {stack.split(";")[1] for stack in stacks} == {"render", "sign"}
    pictures.hold_picture(f"{FOLDER}/stacks", snippet.draw, pytestconfig.option.update_examples)
    drawn = snippet.draw({"order;pay": 0.75, "order;read": 0.25})
    assert [drawn.count(f'width="{width}"') for width in (399, 299, 99)] == [1, 1, 1]
    assert drawn.index('y="0"') > drawn.index('y="22"')  # the caller is below


@pytest.mark.holds(
    "py-spy record pauses the process for each sample, unless you add --nonblocking, which may tell a wrong stack.",
)
@pytest.mark.proves(f"{FOLDER}/stacks.json")
def test_a_sample_pauses_the_process() -> None:
    command = "py-spy record --help"
    done = subprocess.run(f"{BIN}/{command}".split(), capture_output=True, text=True, check=True)
    told = " ".join(done.stdout.partition("--nonblocking ")[2].split())
    assert told.startswith("Don't pause the python process when collecting samples.")
    assert "may lead to inaccurate results" in told.partition(" --")[0]


@pytest.mark.holds("A coroutine that waits is on no stack, so py-spy doesn't show it.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/waited.py"], indirect=True)
def test_what_waits_is_on_no_stack(
    snippet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    its, ours = os.pipe()

    async def charge() -> None:
        os.write(ours, b"waits")
        await asyncio.Event().wait()

    monkeypatch.setattr(snippet, "charge", charge)
    app = watchable(snippet.app)
    with serving(app, timeout_graceful_shutdown=0) as server, ThreadPoolExecutor() as pool:
        asking = pool.submit(urllib.request.urlopen, f"{server.url}/orders", b"")
        assert os.read(its, 5) == b"waits"
        dumped, _ = looked_into(server, tmp_path)
        server.stop()
        assert asking.exception()
    os.close(its)
    os.close(ours)
    assert "run_forever" in dumped
    assert "charge" not in dumped


@pytest.mark.holds(
    "a line whose memory grows | tracemalloc",
    "culprit names the line that allocates each report that stays.",
    "One snapshot alone names another line: that of the prices, which are loaded once and don't grow.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/grown.py"], indirect=True)
def test_the_line_that_grows_is_named(snippet: ModuleType) -> None:
    try:
        told = snippet.culprit()
    finally:
        tracemalloc.stop()
    assert len(snippet.REPORTS) == 1000
    assert told == "REPORTS[order] = bytes(1000)", f"what grows is not: {told}"
    snippet.REPORTS.clear()
    tracemalloc.start()
    prices = snippet.load_prices()
    for order in range(1000):
        snippet.report(order)
    alone = tracemalloc.take_snapshot().statistics("lineno")[0]
    tracemalloc.stop()
    assert len(prices) == 5000
    assert alone.traceback.format()[-1].strip() == "return [bytes(1000) for _ in range(5000)]"


DEEP = """
import runpy, sys, tracemalloc

report = runpy.run_path(sys.argv[1])["report"]

def called(callers):
    called(callers - 1) if callers else [report(order) for order in range(1000)]

before = tracemalloc.take_snapshot()
called(40)
most, *_ = tracemalloc.take_snapshot().compare_to(before, "traceback")
print(len(most.traceback), most.traceback.format()[-1].strip())
kept = tracemalloc.get_tracemalloc_memory()
tracemalloc.stop()
print(tracemalloc.get_tracemalloc_memory() < kept / 100)
"""


@pytest.mark.holds(
    "It keeps a record of each allocation, so the process takes more memory until tracemalloc.stop().",
    "Export PYTHONTRACEMALLOC=25 to start tracemalloc with the process; compare by traceback, and each allocation has up to 25 lines of its stack.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/grown.py"], indirect=True)
def test_a_variable_starts_it(snippet: ModuleType) -> None:
    name, _, value = "PYTHONTRACEMALLOC=25".partition("=")
    environment = {**os.environ, name: value}
    done = subprocess.run(
        [sys.executable, "-c", DEEP, str(snippet.__file__)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{value} REPORTS[order] = bytes(1000)\nTrue\n", done.stderr


@pytest.mark.holds(
    "who holds the memory at its peak | memray",
    "tracemalloc counts less than one percent of what this program takes, because SQLite allocates its memory itself.",
    "Install memray: its summary names load with almost all of the memory.",
)
@pytest.mark.proves(f"{FOLDER}/peak.sh")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/loaded.py"], indirect=True)
def test_the_peak_is_found(snippet: ModuleType, tmp_path: Path) -> None:
    tracemalloc.start()
    snippet.load().close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < {"one percent": 0.01}["one percent"] * 20 * 1_000_000
    (tmp_path / "loaded.py").write_text((HERE / "loaded.py").read_text())
    for _ in range(2):  # the second run finds the file of the first
        done = subprocess.run(
            ["sh", "-eu", HERE / "peak.sh"],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    found = re.search(r"load at loaded\.py[^%]*?([\d.]+)%", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) > 95


@pytest.mark.holds(
    "cProfile notes each call, so its counts are exact for the threads that it sees: before Python 3.12, calls sees its own only.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/counted.py"], indirect=True)
def test_each_call_is_noted(snippet: ModuleType) -> None:
    def read_rates() -> int:  # another function of that name
        return 1

    def depth(number: int) -> int:
        return number and 1 + depth(number - 1)

    def in_a_thread() -> None:
        thread = threading.Thread(target=snippet.read_rates)
        thread.start()
        thread.join()

    assert snippet.calls(snippet.total.__code__, lambda: None) == 0
    for number in (1, 300):
        assert (
            snippet.calls(
                snippet.read_rates.__code__, partial(repeated, snippet.read_rates, number)
            )
            == number
        )
    assert snippet.calls(snippet.read_rates.__code__, read_rates) == 0
    assert snippet.calls(depth.__code__, partial(depth, 3)) == 4
    assert snippet.calls(snippet.read_rates.__code__, in_a_thread) == (sys.version_info >= (3, 12))


def repeated(call: Callable[[], object], number: int) -> None:
    """Call something a number of times."""
    for _ in range(number):
        call()


@pytest.mark.holds(
    "A test that counts calls gives the same verdict on a busy machine, and a test that measures time may not.",
    "It is green here, and red with the total of computed.py.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/counted.py"], indirect=True)
def test_a_test_counts_calls(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    snippet.test_the_rates_are_read_once()
    assert snippet.total([(250, "USD")]) == 230
    fault = ModuleType("fault")
    exec(compile((HERE / "computed.py").read_text(), "computed.py", "exec"), vars(fault))  # noqa: S102  it is the block
    monkeypatch.setattr(snippet, "total", fault.total)
    monkeypatch.setattr(fault, "read_rates", snippet.read_rates)
    verdicts = set[int]()
    for tracing in (False, True):  # as busy as a test can be: each line is traced
        trace = sys.gettrace()
        sys.settrace((lambda *_: None) if tracing else trace)
        with pytest.raises(AssertionError):
            snippet.test_the_rates_are_read_once()
        verdicts.add(snippet.calls(snippet.read_rates.__code__, lambda: snippet.total(ORDERS)))
        sys.settrace(trace)
    assert verdicts == {1000}
