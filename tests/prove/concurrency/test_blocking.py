"""What the page on blocking code claims."""

import asyncio
import inspect
import itertools
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import aiohttp
import pytest
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse

from tests.engine.pages import SNIPPETS
from tests.parts import clock, pictures, rules
from tests.parts.server import beside, commanded, serving
from tests.prove.holding import NUMBERS

FOLDER = "concurrency/blocking"
STALLED = pytest.param(
    f"{FOLDER}/stalled.py",
    marks=[
        pytest.mark.xfail(  # time.sleep holds the loop, and with it all other requests
            strict=True, raises=pytest.RaisesExc(AssertionError, match="0 pings were answered")
        ),
        pytest.mark.finding("ruff", "ASYNC251", line=11),
    ],
)


INSTRUCTIONS = [
    "Call what blocks from a def endpoint, or give it to a thread, and never call it in a coroutine.",
    "If you don't know whether a library blocks, look for await or async in front of its calls, and write def where there is neither.",
    "Do: write def where the whole endpoint blocks",
    "Install fastapi and uvicorn; anyio comes with them.",
    "Do: give one call to a thread",
    "Don't: block in a coroutine",
    "Set the timeout in the blocking client itself, so that its thread ends, and give each service a limiter of its own.",
    "List the libraries that your endpoints call, and find those whose calls you don't await.",
    "Change an async def endpoint that blocks and awaits nothing to def, if what it shares with others may be used from threads.",
    "Give the blocking call to asyncio.to_thread where the endpoint awaits something else too.",
    "Set a timeout in each blocking client.",
    "Take an asynchronous library instead, if the call is frequent.",
]


JUDGEMENTS = [
    "We call it a blocking call when it waits and keeps its thread until it returns: time.sleep, requests.get, a driver without await.",
]


class Noted:
    """The app of a snippet, which notes when its calls begin and end, and when a ping comes.

    A call that blocks ends once a ping is answered; where it holds the loop, so that none can be,
    it takes its own time.
    """

    def __init__(self, snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.notes, self.pinged = snippet.app, list[str](), threading.Event()
        self.began, self.begins = os.pipe()
        monkeypatch.setattr(snippet, "time", SimpleNamespace(sleep=self.block))
        self.app.get("/notes")(self.told)

    def block(self, seconds: float) -> None:
        self.notes.append("begin")
        os.write(self.begins, b".")
        if threading.current_thread() is threading.main_thread():
            time.sleep(seconds)  # as the snippet does: the call that is tested
        else:
            self.pinged.wait()
        self.notes.append("end")

    async def told(self) -> list[str]:
        return self.notes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        await self.app(scope, receive, send)
        if scope.get("path") == "/ping":
            self.notes.append("ping")
            self.pinged.set()


async def noted(url: str, began: int, calls: int) -> list[str]:
    """Ask for reports at once, ping when one blocks, and return what the app noted."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client:

        async def ask(path: str) -> Any:
            async with client.get(path) as answer:
                answer.raise_for_status()
                return await answer.json()

        asked = [asyncio.create_task(ask("/report")) for _ in range(calls)]
        await asyncio.to_thread(os.read, began, 1)
        assert await ask("/ping") == "pong"
        assert {*await asyncio.gather(*asked)} <= {"report", "report of 3 rows"}
        notes = await ask("/notes")
        return [str(note) for note in notes]


def notes_of(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, calls: int) -> list[str]:
    """Return in which order an app's calls and a ping came."""
    app = Noted(snippet, monkeypatch)
    with serving(app) as server:
        notes = asyncio.run(noted(server.url, app.began, calls))
    os.close(app.began)
    os.close(app.begins)
    return notes


@pytest.mark.holds(
    "Keep blocking calls out of the event loop",
    "One slow request makes all others wait, the health check too, while the processor is idle.",
    "With async in front, the same time.sleep holds up all other requests.",
    "The event loop was blocked, so no other request was answered meanwhile.",
    "A blocking call has no such await, so nothing else runs until it returns.",
    "A thread waits beside the loop.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/threaded.py", f"{FOLDER}/offloaded.py", STALLED], indirect=True
)
def test_other_requests_are_answered_meanwhile(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = notes_of(snippet, monkeypatch, calls=2)
    pings = notes[: notes.index("end")].count("ping")
    assert pings, f"{pings} pings were answered while a call blocked: {notes}"


def is_coroutine(snippet: ModuleType) -> bool:
    """Tell whether an app's report is a coroutine, which FastAPI runs in the event loop."""
    found = [route for route in snippet.app.routes if getattr(route, "path", "") == "/report"]
    return inspect.iscoroutinefunction(found[0].endpoint)


@pytest.mark.holds("FastAPI runs a def endpoint in a thread, so the event loop stays free.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/threaded.py"], indirect=True)
def test_a_def_endpoint_runs_in_a_thread_as_a_whole(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_coroutine(snippet)
    assert notes_of(snippet, monkeypatch, calls=1) == ["begin", "ping", "end"]


@pytest.mark.holds(
    "Where the rest of the endpoint awaits, give only the blocking call to a thread with asyncio.to_thread:",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/offloaded.py"], indirect=True)
def test_a_coroutine_gives_one_call_to_a_thread(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_coroutine(snippet)
    assert notes_of(snippet, monkeypatch, calls=1) == ["begin", "ping", "end"]


@pytest.mark.holds(
    "The tests are green, because they send one request at a time.",
    "Of 3 calls at once, each began after the one before had ended, as the output shows for two of them: they ran one after the other.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/stalled.py"], indirect=True)
def test_calls_that_block_run_one_after_the_other(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    notes = notes_of(snippet, monkeypatch, calls=3)
    assert [note for note in notes if note != "ping"] == ["begin", "end"] * 3
    began = notes.count("begin")
    record_property("figure", f"{began} calls")


@pytest.mark.holds(
    "The pool of threads has an end",
    "FastAPI uses the threadpool of AnyIO: by default, 40 threads in each process.",
    "The next call waits until a thread is free.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/pool.py"], indirect=True)
def test_the_pool_runs_forty_calls_at_once(snippet: ModuleType, record_property: Any) -> None:
    assert asyncio.run(snippet.start(calls=40)) == (40, 0)
    running, waiting = asyncio.run(snippet.start(calls=41))
    assert (running, waiting) == (40, 1)
    record_property("figure", f"{running} in")


@pytest.mark.holds(
    "A slow service can take all threads",
    "One service that hangs behind def endpoints takes all threads of the pool.",
    "Then each other def endpoint waits, and each endpoint with a def dependency.",
)
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


@pytest.mark.holds(
    "A timeout around the thread doesn't help.",
    "An anyio.CapacityLimiter limits how many threads run at once: a call that asyncio.timeout cuts gives its place there back, and its thread goes on.",
)
def test_a_call_that_is_cut_gives_its_place_back_and_goes_on() -> None:
    async def share() -> tuple[int, int, float]:
        end, limiter, began = threading.Event(), CapacityLimiter(2), list[int]()

        def call() -> None:
            began.append(1)
            end.wait()

        async with asyncio.TaskGroup() as tasks:
            held = [tasks.create_task(run(call, limiter)) for _ in range(3)]
            # A call that is cut before its thread begins is never made.
            await clock.until(lambda: len(began) == 2 and limiter.statistics().tasks_waiting)
            waiting = limiter.statistics().tasks_waiting
            held[0].cancel()
            await clock.until(lambda: len(began) == 3)
            told = limiter.statistics().borrowed_tokens, len(began)
            end.set()
        return waiting, *told

    async def run(call: Callable[[], None], limiter: CapacityLimiter) -> None:
        async with asyncio.timeout(None):  # which cancels as `cancel` does, at the limit
            await to_thread.run_sync(call, limiter=limiter)

    assert asyncio.run(share()) == (1, 2, 3), "3 threads run in a limiter for 2"


@pytest.mark.holds(
    "A dependency that is a class and a FileResponse take threads of the pool too.",
)
def test_what_else_takes_threads_of_the_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, file, stock, taken = FastAPI(), tmp_path / "file", to_thread.run_sync, list[str]()
    file.touch()

    class Page:
        pass

    @app.get("/class", dependencies=[Depends(Page)])
    @app.get("/nothing")
    async def nothing() -> None: ...

    @app.get("/file")
    async def response() -> FileResponse:
        return FileResponse(file)

    async def note(call: Any, *told: Any, **named: Any) -> Any:
        taken.append("a thread")
        return await stock(call, *told, **named)

    async def threads() -> dict[str, bool]:
        found = {}
        async with beside(app) as server, aiohttp.ClientSession(server.url) as client:
            for path in "/nothing", "/class", "/file":
                taken.clear()
                async with client.get(path) as answer:
                    assert answer.status == 200
                found[path] = bool(taken)
        return found

    monkeypatch.setattr(to_thread, "run_sync", note)
    assert asyncio.run(threads()) == {"/class": True, "/file": True, "/nothing": False}


@pytest.mark.holds(
    "asyncio.to_thread has other threads: four more than the machine has processors, 32 at most.",
    "Before Python 3.13 this counts the processors of the machine, since then those that the process may use.",
    "asyncio's own event loop looks up host names with them, so when calls hold them all, no connection to a new host name opens.",
)
def test_names_are_looked_up_in_the_threads_of_to_thread(
    monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    processors = "process_cpu_count" if sys.version_info >= (3, 13) else "cpu_count"
    most = min(32, (getattr(os, processors)() or 1) + 4)
    threads = dict[int, int]()
    for count in (3, 64):
        with monkeypatch.context() as machine:
            machine.setattr(os, processors, lambda count=count: count)
            threads[count] = ThreadPoolExecutor()._max_workers  # as the event loop makes its own
    assert threads == {3: 7, 64: 32}
    record_property("figure", f"{NUMBERS[threads[3] - 3]} more")
    record_property("figure", f"{threads[64]} at")

    stock, callers, finders = socket.getaddrinfo, list[int](), list[int]()

    def find(*told: Any, **named: Any) -> Any:
        finders.append(threading.get_ident())
        return stock(*told, **named)

    async def look_up() -> None:
        end = threading.Event()

        def call() -> None:
            callers.append(threading.get_ident())
            end.wait()

        calls = [asyncio.create_task(asyncio.to_thread(call)) for _ in range(most)]
        await clock.until(lambda: len(callers) == most)
        name = asyncio.create_task(asyncio.get_running_loop().getaddrinfo("localhost", 80))
        end.set()
        await asyncio.gather(*calls, name)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    asyncio.run(look_up())
    assert len(set(callers)) == most, "each call holds a thread"
    assert set(finders) <= set(callers) and finders, "the look-up waited for one of them"


def shape(turns: dict[str, list[float]]) -> dict[str, tuple[bool, int]]:
    """Return whether each way to sleep stalled the loop, and its length in steps of 50 ms."""
    gaps = {way: max(b - a for a, b in itertools.pairwise(turns[way])) for way in turns}
    return {way: (gaps[way] >= 200, int(turns[way][-1] // 50)) for way in turns}


@pytest.mark.holds(
    "Run this heartbeat over your own code in a test: a task that does nothing but wake up tells whether anything stalls the loop.",
    "One call stalls the event loop, drawn",
    "The event loop during one call.",
    "Each line is a turn, in which other requests get their share.",
    "The data of the picture, and how it is drawn",
    "The picture is made from what this program recorded.",
)
@pytest.mark.proves(f"{FOLDER}/stall.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
def test_only_a_call_that_blocks_stalls_the_loop(
    snippet: ModuleType, pytestconfig: pytest.Config
) -> None:
    fresh, steps = {}, int(1000 * snippet.NAP // 50)
    for way in snippet.awaited, snippet.threaded, snippet.blocked:
        times = asyncio.run(snippet.turns(way))
        assert times[-1] >= snippet.NAP
        # The heartbeat's timer comes first, so it turns at least once before another way ends.
        assert (len(times) == 2) == (way is snippet.blocked)
        fresh[way.__name__] = [round(1000 * time, 1) for time in times]
    assert snippet.longest_silence([0.0, 0.1, 0.4, 0.5]) == pytest.approx(0.3)
    wanted = {way: (way == "blocked", steps) for way in fresh}
    pictures.hold_data(f"{FOLDER}/stall", fresh, shape, wanted, pytestconfig.option.update_examples)


@pytest.mark.holds(
    "Turns of the event loop during three ways to sleep",
    "Each line is a turn of the loop. Turns: awaited 21, threaded 21, blocked 2.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    updating = pytestconfig.option.update_examples
    for times in json.loads((SNIPPETS / FOLDER / "stall.json").read_text()).values():
        record_property("figure", str(len(times)))
    pictures.hold_picture(f"{FOLDER}/stall", snippet.draw, updating)
    assert snippet.WAYS == {
        "awaited": "await asyncio.sleep: the loop turns",
        "threaded": "time.sleep in a thread: the loop turns",
        "blocked": "time.sleep in the coroutine: nothing else runs",
    }
    drawn = snippet.draw({way: [0.0, 199.5, 400.0] for way in snippet.WAYS})
    assert drawn.count('class="good"') == 3 * 3, "a line for each turn"
    assert drawn.count("bad") == drawn.count('width="200.5" height="18" class="bad"') == 3


@pytest.mark.parametrize("snippet", [f"{FOLDER}/heartbeat.py"], indirect=True)
@pytest.mark.parametrize(("silence", "stalls"), [(0.199, False), (0.2, True)])
def test_the_heartbeat_tells_a_loop_that_is_stalled(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    silence: float,
    stalls: bool,
) -> None:
    async def turns(_: object) -> list[float]:
        return [0.0, silence]

    monkeypatch.setattr(snippet, "turns", turns)
    asyncio.run(snippet.main())
    told = capsys.readouterr().out.splitlines()
    ways = ("awaited", "threaded", "blocked")
    assert told == [f"{way} stalls the loop: {stalls}" for way in ways]


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
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(re.match(r"Executing <Task .*blocked\(\).* took \d+\.\d+", each) for each in told)
    with asyncio.Runner() as runner:
        record_property(
            "figure", f"{1000 * runner.get_loop().slow_callback_duration:g} milliseconds"
        )


@pytest.mark.holds(
    "Before Python 3.12, PYTHONASYNCIODEBUG=1 logs nothing under uvicorn.",
    "Since Python 3.12, it logs a step of more than 100 milliseconds, and names a task of uvicorn instead of your endpoint.",
)
def test_the_debug_mode_under_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(url: str) -> None:
        async with aiohttp.ClientSession(url) as client, client.get("/report") as answer:
            assert answer.status == 200

    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with commanded(SNIPPETS / FOLDER, "stalled:app") as (url, server):
        asyncio.run(ask(url))
        server.terminate()
        said, _ = server.communicate()
    told = [line for line in said.splitlines() if re.match("Executing .* took", line)]
    assert bool(told) == (sys.version_info >= (3, 12)), said
    assert all("RequestResponseCycle.run_asgi" in line for line in told)
    assert not any("report" in line.partition(" took ")[0] for line in told)
    with asyncio.Runner() as runner:
        assert runner.get_loop().slow_callback_duration == 0.1, "100 milliseconds"


@pytest.mark.holds(
    "The event loop runs in one thread, and changes tasks only at an await that has to wait.",
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


@pytest.mark.holds(
    "Ruff's ASYNC rules know time.sleep, the calls of subprocess, requests.get, and files that are opened in a coroutine.",
    "They don't know the get of a session of requests.",
    "They see a call only where it stands in the coroutine itself.",
)
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
    session = tmp_path / "session.py"
    session.write_text(
        "import requests\n\n\nasync def work() -> None:\n"
        '    with requests.Session() as session:\n        session.get("http://localhost")\n'
    )
    assert not {code for code in rules.found(session) if code.startswith("ASYNC")}


@pytest.mark.holds(
    "The service's relay takes messages from the database and hands them to a broker, with a client that blocks:",
)
@pytest.mark.service("tests/test_relay.py::test_a_message_is_handed_over_once")
@pytest.mark.proves("service/src/accounts/relay.py")
def test_the_relay_of_the_service_hands_over_in_a_thread(service: Callable[[], None]) -> None:
    service()
