"""What the page on streaming claims."""

import asyncio
import gc
import json
import logging
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypedDict

import aiohttp
import pytest
from fastapi import Depends, FastAPI, sse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from packaging.version import Version
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import beside, commanded, serving

FOLDER = "concurrency/streaming"
A_WHILE = 1.0  # seconds of the clock that jumps once nothing else happens


INSTRUCTIONS = [
    "Stream events to a browser",
    "Use a stream when a page must show news while they happen, such as how far a long job is.",
    "Look here too if your stream shows one of these symptoms:",
    "Yield each event as soon as it is there, and between two events hold nothing that others wait for: no database connection, no lock.",
    "If you don't know whether you need a stream, let the client ask again every few seconds, which is called polling: an endpoint that answers once is simpler.",
    "Install fastapi and uvicorn.",
    "Run uvicorn events:app in the file's folder, and curl -N http://127.0.0.1:8000/progress in a second terminal:",
    "Don't: collect the events first",
    "Do: give back what a stream holds",
    "Don't: clean up in the generator",
    "Set a limit: uvicorn --timeout-graceful-shutdown 1 ticks:app.",
    "Choose a limit that is shorter than the time after which your platform kills the process.",
    "Read in short transactions, and send between them.",
    "Move the session from the endpoint's dependencies into the loop: one short transaction for each batch.",
    "Give a lock on another machine an expiry.",
    "Give each ServerSentEvent an id that your database knows, and read from there when last_event_id comes.",
    "Give a stream a longest life, as a reader whose machine vanished isn't noticed until the network gives up.",
    "Set the limit of the shutdown where the process starts.",
    "Write these tests for your own stream:",
    "Read the first event, and check that the last one isn't there already.",
    "Stop reading, leave, and look whether what the stream held is free.",
    "Send SIGTERM while a reader listens, and check that the process ends.",
    "Begin with tests/prove/concurrency/test_streaming.py, and put your own stream in place of ours.",
]


JUDGEMENTS = [
    "We call a response that stays open, and brings one event after another, a stream.",
]


class Head(TypedDict):
    """Of a response: its kind, and what it tells a proxy."""

    kind: str
    buffering: str


async def arrivals(app: FastAPI) -> tuple[Head, list[tuple[float, Any]], float]:
    """Return what a stream says at its begin, its events with their times, and when it ended."""
    async with (
        beside(app) as server,
        aiohttp.ClientSession(server.url) as client,
        client.get("/progress") as answer,
    ):
        assert clock.now() == pytest.approx(0), "the headers came late"
        assert answer.headers["Cache-Control"] == "no-cache"
        head = Head(kind=answer.content_type, buffering=answer.headers["X-Accel-Buffering"])
        events = [
            (round(clock.now(), 6), json.loads(line.removeprefix(b"data: ")))
            async for line in answer.content
            if line.startswith(b"data: ")
        ]
        return head, events, round(clock.now(), 6)


@pytest.mark.holds(
    "The bar on the page stays empty until the whole job is done.",
    "This is a whole app with one stream.",
    "Look at yield: it stands where another endpoint returns, and EventSourceResponse sends each value as an event.",
    "This endpoint fills a list, and yields from it afterwards.",
    "The response has the form of a stream, and its events arrive together at the end.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/events.py",
        pytest.param(
            f"{FOLDER}/collected.py",
            marks=pytest.mark.xfail(  # all parts must be done before the first is sent
                strict=True, raises=pytest.RaisesExc(AssertionError, match="arrived together")
            ),
        ),
    ],
    indirect=True,
)
def test_each_event_arrives_when_there_is_one(snippet: ModuleType) -> None:
    head, events, end = clock.run(arrivals(snippet.app))
    assert head == {"kind": "text/event-stream", "buffering": "no"}
    assert [event for _, event in events] == [{"done": n, "of": 3} for n in (1, 2, 3)]
    assert events[-1][0] == end == 3, "there was nothing to wait for"
    assert [time for time, _ in events] == [1, 2, 3], "the events arrived together"


@pytest.mark.holds(
    "The browser sends one request, and FastAPI sends the headers of the response at once.",
    "Your function runs as far as its first yield, and the value goes out.",
    "The function goes on to its next yield, and that value goes out too.",
    "When the function ends, the response ends.",
    "FastAPI sends a header that tells nginx, a proxy that often stands before a service, not to keep events back.",
)
def test_a_stream_runs_as_far_as_each_yield_in_turn() -> None:
    app, steps = FastAPI(), list[str]()

    @app.get("/progress", response_class=EventSourceResponse)
    async def progress() -> AsyncIterator[int]:
        for number in (1, 2):
            await clock.passed(1)
            steps.append(f"made {number}")
            yield number
        await clock.passed(1)
        steps.append("ended")

    async def read() -> list[str]:
        async with (
            beside(app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/progress") as answer,
        ):
            assert answer.headers["X-Accel-Buffering"] == "no"
            steps.append("headers")
            async for line in answer.content:
                steps.extend([f"got {line.decode().split()[1]}"] if line.strip() else [])
            return [*steps, "response ended"]

    wanted = ["headers", "made 1", "got 1", "made 2", "got 2", "ended", "response ended"]
    assert clock.run(read()) == wanted


@pytest.mark.holds("While your function waits in an await, the process answers other requests.")
def test_other_requests_are_answered_while_a_stream_waits() -> None:
    app, go_on = FastAPI(), asyncio.Event()

    @app.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[str]:
        await go_on.wait()
        yield "gone on"

    @app.get("/other")
    async def other() -> None:
        go_on.set()

    async def both() -> bytes:
        async with (
            beside(app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/stream") as answer,
        ):
            assert (await client.get("/other")).status == 200
            return await answer.content.readline()

    assert clock.run(both()) == b'data: "gone on"\n'


def asked(url: str) -> str:
    """Return what curl prints of a stream, or the same bytes where there is no curl."""
    if curl := shutil.which("curl"):
        command = [curl, "-N", "--silent", "--noproxy", "*", url]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
        return str(answer.read().decode())


@pytest.mark.holds(
    "These are the bytes that go to the browser, and a line comes each second.",
    "Each event is a line with data: and the value in JSON, and an empty line ends the event.",
)
@pytest.mark.proves(f"{FOLDER}/wire.out")
def test_curl_prints_the_events_of_uvicorn(tmp_path: Path) -> None:
    source = (SNIPPETS / FOLDER / "events.py").read_text()
    assert source.count("asyncio.sleep(1)") == 1, "a line comes each second"
    at_once = source.replace("asyncio.sleep(1)", "asyncio.sleep(0)")  # or it takes as long here
    (tmp_path / "events.py").write_text(at_once)
    with commanded(tmp_path, "events:app") as (url, _):
        printed = asked(f"{url}/progress")
    assert printed == (SNIPPETS / FOLDER / "wire.out").read_text()
    lines = printed.splitlines()
    assert [json.loads(line.removeprefix("data: ")) for line in lines[::2]] == [
        {"done": n, "of": 3} for n in (1, 2, 3)
    ]
    assert lines[1::2] == ["", "", ""]


@pytest.mark.holds("EventSourceResponse is there from FastAPI 0.135 on.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/events.py"], indirect=True)
def test_the_version_of_fastapi_has_the_class(snippet: ModuleType) -> None:
    assert Version(metadata.version("fastapi")) >= Version("0.135")
    assert snippet.EventSourceResponse is EventSourceResponse


@pytest.mark.holds(
    "The page reads the stream with EventSource",
    "This app serves the page as well.",
    "Run uvicorn watch:app instead, and open http://127.0.0.1:8000/: the bar moves three times.",
    "So the last event closes the source.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/watch.py"], indirect=True)
def test_the_page_asks_for_the_stream_and_closes_it_at_the_last_event(snippet: ModuleType) -> None:
    async def page(app: FastAPI) -> tuple[str, str]:
        async with (
            beside(app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/") as answer,
        ):
            return answer.content_type, await answer.text()

    assert clock.run(page(snippet.app)) == ("text/html", snippet.PAGE)
    _, events, _ = clock.run(arrivals(snippet.app))
    assert [(time, event["done"]) for time, event in events] == [(1, 1), (2, 2), (3, 3)]
    assert [event["done"] == event["of"] for _, event in events] == [False, False, True]
    steps = ["new EventSource", "if (done === of) source.close()"]
    assert [step in snippet.PAGE for step in steps] == [True, True]  # Chromium: tests/check


@pytest.mark.holds(
    "A browser that comes back says where it was",
    "A client that has seen event 1 gets the events from 2 on.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/resume.py"], indirect=True)
def test_a_stream_goes_on_after_the_last_event(snippet: ModuleType) -> None:
    async def told(last: str | None) -> tuple[int, list[str]]:
        headers = {"Last-Event-ID": last} if last else None
        async with (
            beside(snippet.app) as server,
            aiohttp.ClientSession(server.url, headers=headers) as client,
            client.get("/orders/7/news") as answer,
        ):
            return answer.status, (await answer.text()).split("\n")

    first, second, third = (
        ['data: "packed"', "id: 1", ""],
        ['data: "sent"', "id: 2", ""],
        ['data: "delivered"', "id: 3", ""],
    )
    assert clock.run(told(None)) == (200, [*first, *second, *third, ""])
    assert clock.run(told("1")) == (200, [*second, *third, ""])
    assert clock.run(told("3")) == (200, [""])
    assert clock.run(told("-1"))[0] == 422


@pytest.mark.holds(
    "Until then the browser has the status and the headers alone, and the list grows in memory.",
    "A test that reads the whole response is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/collected.py"], indirect=True)
def test_the_headers_come_at_once(snippet: ModuleType) -> None:
    async def headers_and_event() -> tuple[float, float, bytes]:
        async with (
            beside(snippet.app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/progress") as answer,
        ):
            assert answer.status == 200
            headers = clock.now()
            line = await answer.content.readuntil(b"\n")
            return headers, clock.now(), line + await answer.content.read()

    headers, event, body = clock.run(headers_and_event())
    assert headers == pytest.approx(0)
    assert event == pytest.approx(3)
    assert body.decode() == (SNIPPETS / FOLDER / "wire.out").read_text()


@pytest.mark.holds(
    "After 15 seconds without an event it sends a comment, so that the connection isn't idle.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/events.py"], indirect=True)
def test_a_comment_is_sent_when_there_is_no_event(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    record_property("figure", f"{sse._PING_INTERVAL:g} seconds")
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)

    async def first_line() -> bytes:
        async with (
            beside(snippet.app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/progress") as answer,
        ):
            return await answer.content.readline()

    assert clock.run(first_line()) == b": ping\n"


@pytest.mark.holds(
    "A stream often takes something for as long as its reader stays, such as a lock or a place in a list.",
    "Here each reader takes a seat, which is an entry in readers.",
    "Two readers of one name have two seats.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py"], indirect=True)
def test_two_readers_of_one_name_have_two_seats(snippet: ModuleType) -> None:
    async def seats() -> list[list[str]]:
        async with beside(snippet.app) as server, aiohttp.ClientSession(server.url) as client:
            async with reading(server.url):
                async with aiohttp.ClientSession(server.url) as other, other.get("/ticks/ann"):
                    both = await who_reads(client)
                await clock.passed(A_WHILE)
                first = await who_reads(client)
            await clock.passed(A_WHILE)
            return [both, first, await who_reads(client)]

    assert clock.run(seats()) == [["ann", "ann"], ["ann"], []]


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Read the first event of the endless stream, and stay without reading on."""
    async with aiohttp.ClientSession(url) as client, client.get("/ticks/ann") as answer:
        assert await answer.content.readexactly(11) == b'data: "tick'
        assert await who_reads(client) == ["ann"]
        yield client


async def who_reads(client: aiohttp.ClientSession) -> list[str]:
    """Return who reads the endless stream."""
    async with client.get("/readers") as answer:
        return [str(reader) for reader in await answer.json()]


async def seat_is_free(url: str) -> bool:
    """Tell whether the seat of a reader who has left gets free."""
    await clock.passed(A_WHILE)
    async with aiohttp.ClientSession(url) as client:
        return not await who_reads(client)


@pytest.mark.holds(
    "When a reader disconnects, the seat is free again.",
    "This works while the reader keeps up.",
    "When a reader leaves, FastAPI under uvicorn cancels the task that runs your function.",
    "A function that waits in an await gets the cancellation there, and its finally runs.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py", f"{FOLDER}/held.py"], indirect=True)
def test_the_seat_of_a_reader_who_keeps_up_is_free_again(snippet: ModuleType) -> None:
    async def come_and_go() -> bool:
        async with beside(snippet.app) as server:
            async with reading(server.url):
                pass
            return await seat_is_free(server.url)

    assert clock.run(come_and_go())


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection, and no log: it would keep tracebacks, and by them generators."""
    gc.disable()
    logging.disable()
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


async def leave_unread(snippet: ModuleType, then: Callable[[], object]) -> bool:
    """Stop reading, leave when nothing can be sent any more, do something; is the seat free?"""
    async with beside(snippet.app) as server:
        async with reading(server.url):
            await clock.passed(A_WHILE)  # it passes once nothing is sent any more
        await clock.passed(A_WHILE)
        then()
        return await seat_is_free(server.url)


@pytest.fixture
def eager(snippet: ModuleType, uncollected: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The snippet, which sends much, and as soon as it can."""
    clock.at_once(snippet, monkeypatch)
    monkeypatch.setattr(snippet, "TICK", "tick" * 500_000)
    return snippet


@pytest.mark.holds(
    "FastAPI itself ends a dependency when the response is over, so its finally runs in either case.",
    "FastAPI calls seat before the stream begins, and runs its finally when the stream ends.",
    "Here the endpoint itself takes the seat, and gives it back in its own finally.",
    "When a reader stops reading, the buffers of the connection fill, and the generator waits at its yield.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/ticks.py",
        pytest.param(
            f"{FOLDER}/held.py",
            marks=pytest.mark.xfail(  # nothing wakes a generator at its yield
                strict=True, raises=pytest.RaisesExc(AssertionError, match="the seat stays taken")
            ),
        ),
    ],
    indirect=True,
)
def test_the_seat_of_a_reader_who_stopped_reading_is_free_again(eager: ModuleType) -> None:
    assert clock.run(leave_unread(eager, then=str)), "the seat stays taken"


@pytest.mark.holds(
    "If the reader then leaves, nothing wakes the generator, and the seat stays taken until Python's garbage collector finds it.",
    "At a yield a function doesn't wait: it's paused until somebody asks it for the next value, so the cancellation doesn't reach it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/held.py"], indirect=True)
def test_the_garbage_collector_frees_the_seat(eager: ModuleType) -> None:
    assert clock.run(leave_unread(eager, then=gc.collect))


@pytest.mark.holds(
    "Take each lock or seat in a dependency: its clean-up can await, and a clean-up in the generator is cancelled at its first await.",
)
def test_a_clean_up_can_await_in_a_dependency_only() -> None:
    app, steps = FastAPI(), list[str]()

    async def dependency() -> AsyncIterator[None]:
        yield
        await clock.passed(0.1)
        steps.append("dependency")

    @app.get("/", response_class=EventSourceResponse, dependencies=[Depends(dependency)])
    async def stream() -> AsyncIterator[ServerSentEvent]:
        try:
            yield ServerSentEvent(data="tick", id="7")
            await asyncio.Event().wait()
        finally:
            steps.append("begun")
            await clock.passed(0.1)
            steps.append("generator")

    async def come_and_go() -> list[str]:
        async with beside(app) as server:
            async with aiohttp.ClientSession(server.url) as client, client.get("/") as answer:
                assert await answer.content.readline() == b'data: "tick"\n'
                assert await answer.content.readline() == b"id: 7\n"
            await clock.passed(A_WHILE)
            return list(steps)

    assert clock.run(come_and_go()) == ["begun", "dependency"]


@pytest.mark.holds(
    "A stream holds what it uses",
    "A session from a dependency that has read something keeps its connection while the stream lasts, and no other request gets it.",
    "Other requests wait for a database connection, because each open page holds a connection.",
)
def test_a_session_of_a_dependency_is_held_by_the_stream(database: str) -> None:
    engine = create_async_engine(database, pool_size=1, max_overflow=0, pool_timeout=0.05)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as session:
            yield session

    @app.get("/held", response_class=EventSourceResponse)
    async def held(
        session: Annotated[AsyncSession, Depends(get_session)],
    ) -> AsyncIterator[int | None]:
        yield await session.scalar(text("SELECT 1"))
        await asyncio.Event().wait()

    @app.get("/short", response_class=EventSourceResponse)
    async def short() -> AsyncIterator[int | None]:
        async with AsyncSession(engine) as session:
            number = await session.scalar(text("SELECT 1"))
        yield number
        await asyncio.Event().wait()

    @app.get("/other")
    async def other(session: Annotated[AsyncSession, Depends(get_session)]) -> None:
        await session.execute(text("SELECT 1"))

    async def beside(url: str, path: str) -> int:
        async with aiohttp.ClientSession(url) as client, client.get(path) as stream:
            assert await stream.content.readline() == b"data: 1\n"
            async with client.get("/other") as answer:
                return answer.status

    with serving(app) as server:
        assert asyncio.run(beside(server.url, "/short")) == 200
        assert asyncio.run(beside(server.url, "/held")) == 500


@pytest.mark.holds(
    "A shutdown waits for open streams",
    "SIGTERM is the signal by which a platform asks a process to end.",
    "After it, uvicorn waits for open requests, and an endless stream ends only when its reader leaves: until then the process stays.",
    "A deployment hangs, because somebody left the page open.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py"], indirect=True)
def test_without_a_limit_an_endless_stream_holds_up_the_shutdown(snippet: ModuleType) -> None:
    async def stop_while_read() -> tuple[bool, bool]:
        async with beside(snippet.app, timeout_graceful_shutdown=None) as server:
            async with reading(server.url):
                server.end()
                await clock.passed(A_WHILE)
                held = not server.served.done()
            await clock.passed(A_WHILE)
            return held, server.served.done()

    assert clock.run(stop_while_read()) == (True, True)


@pytest.mark.holds(
    "At the limit uvicorn cancels the stream and exits, and doesn't wait for clean-ups.",
)
def test_a_limit_ends_an_endless_stream_and_waits_for_no_clean_up(tmp_path: Path) -> None:
    async def stop_while_read(url: str, server: subprocess.Popen[str]) -> str:
        async with reading(url):
            server.terminate()
            said, _ = await asyncio.to_thread(server.communicate, timeout=30)
        return said

    slowly = '        await asyncio.Event().wait()\n        print("the seat is free")'
    source = (SNIPPETS / FOLDER / "ticks.py").read_text()
    assert "        readers.remove(reader)" in source
    (tmp_path / "ticks.py").write_text(source.replace("        readers.remove(reader)", slowly))
    options = ["--timeout-graceful-shutdown", "0", "ticks:app"]
    with commanded(tmp_path, *options) as (url, server):
        said = asyncio.run(stop_while_read(url, server))
    assert "timeout graceful shutdown exceeded" in said
    assert "Application shutdown complete." in said
    assert "the seat is free" not in said


@pytest.mark.holds(
    "No rule of Ruff sees whether a generator yields early, or what it holds.",
)
@pytest.mark.parametrize(("dont", "do"), [("collected.py", "events.py"), ("held.py", "ticks.py")])
def test_no_rule_sees_it(dont: str, do: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / do)


@pytest.mark.holds(
    "The stream of the service",
    "The service of this playbook sends a page what happens to its users.",
    "Its file snippets/service/src/accounts/api/handlers.py holds its endpoints, and this endpoint is the stream:",
    "UserEvents is a dependency that keeps the place of the reader, as seat does above.",
    "ReadAll lets in those alone who may read all users.",
)
@pytest.mark.service(
    "tests/test_events.py::test_the_endpoint_sends_what_happens_and_skips_what_it_does_not_know",
    "tests/test_events.py::test_each_stream_gets_each_event",
    "tests/test_access.py::test_what_a_token_is_good_for",
)
@pytest.mark.proves("service/src/accounts/api/handlers.py")
def test_the_stream_of_the_service_sends_what_happens(service: Callable[[], None]) -> None:
    service()
