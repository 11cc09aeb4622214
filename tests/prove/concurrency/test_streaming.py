"""What the page on streaming claims."""

import asyncio
import gc
import json
import logging
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import Depends, FastAPI, sse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import beside, commanded, serving

FOLDER = "concurrency/streaming"
A_WHILE = 1.0  # seconds of the clock that jumps once nothing else happens


INSTRUCTIONS = [
    "Stream events to a browser",
    "Use a stream when a browser must show progress while a job runs.",
    "Yield each event when there is one, hold no transaction while you wait, give back in a dependency what the stream takes, and set a limit for the shutdown.",
    "If you don't know whether you need a stream, let the client ask again, which is called polling: an endpoint that answers once is simpler.",
    "Install fastapi, pydantic and uvicorn.",
    "Don't: collect the rows first",
    "Do: give back what a stream holds",
    "Don't: clean up in the generator",
    "Set a limit: uvicorn --timeout-graceful-shutdown 1 ticks:app.",
    "Choose a limit that is shorter than the time after which your platform kills the process.",
    "Read in short transactions, and send between them.",
    "Move the session from the endpoint's dependencies into the loop: one short transaction for each batch.",
    "Give a lock on another machine an expiry.",
    "Give a stream a longest life, as a reader whose machine vanished isn't noticed until the network gives up.",
    "Set the limit of the shutdown where the process starts.",
    "Hold the place of a stream in a dependency",
    "Write these tests for your own stream:",
    "Read the first event, and check that the last one isn't there already.",
    "Stop reading, leave, and look whether what the stream held is free.",
    "Send SIGTERM while a reader listens, and check that the process ends.",
    "Begin with tests/prove/concurrency/test_streaming.py, and put your own stream in place of ours.",
]


JUDGEMENTS = [
    "We call a response that sends one event after another, as long as both sides want, a stream: server-sent events, or SSE.",
]


async def arrivals(app: FastAPI) -> list[tuple[float, Any]]:
    """Return each event of a stream, and when it arrived after the first row was asked for."""
    async with (
        beside(app) as server,
        aiohttp.ClientSession(server.url) as client,
        client.get("/progress") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-cache"
        return [
            (round(clock.now(), 6), json.loads(line.removeprefix(b"data: ")))
            async for line in answer.content
            if line.startswith(b"data: ")
        ]


@pytest.mark.holds(
    "Look at progress: it yields inside the loop, and EventSourceResponse turns each value into an event with JSON.",
    "FastAPI tells nginx not to keep events back.",
    "The response has the form of a stream, and its events arrive together at the end.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/events.py",
        pytest.param(
            f"{FOLDER}/collected.py",
            marks=pytest.mark.xfail(  # all rows must be there before the first is sent
                strict=True, raises=pytest.RaisesExc(AssertionError, match="arrived together")
            ),
        ),
    ],
    indirect=True,
)
def test_each_event_arrives_when_there_is_one(snippet: ModuleType) -> None:
    events = clock.run(arrivals(snippet.app))
    assert [event for _, event in events] == [{"done": n, "of": 3} for n in range(1, 4)]
    assert events[-1][0] == 0.3, "there was nothing to wait for"
    assert [time for time, _ in events] == [0.1, 0.2, 0.3], "the events arrived together"


@pytest.mark.holds(
    "Until then the browser has the status and the headers alone, and all rows are in memory.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/collected.py"], indirect=True)
def test_the_headers_come_at_once(snippet: ModuleType) -> None:
    async def headers_and_event() -> tuple[float, float]:
        async with (
            beside(snippet.app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/progress") as answer,
        ):
            assert answer.status == 200
            headers = clock.now()
            await answer.content.readuntil(b"\n")
            return headers, clock.now()

    headers, event = clock.run(headers_and_event())
    assert headers == pytest.approx(0)
    assert event == pytest.approx(0.3)


@pytest.mark.holds(
    "It sends a comment after 15 seconds without an event, so that the connection isn't idle.",
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
    "Here each reader takes a seat, and a dependency holds it: FastAPI ends the dependency when the stream ends.",
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
    "A generator runs when somebody asks it for the next value, so a server that can't send doesn't wake it.",
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
    "A session from a dependency is a connection that no other request gets while the stream lasts.",
    "A stream that is written like other endpoints keeps its events back, holds a database connection for hours, or keeps the process from ending at a deployment.",
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
    "After SIGTERM, uvicorn waits for open requests, and an endless stream never ends: the process stays.",
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
    "The stream of the service waits for the next event, and a dependency holds its place:",
)
@pytest.mark.service(
    "tests/test_events.py::test_the_endpoint_sends_what_happens_and_skips_what_it_does_not_know"
)
@pytest.mark.proves("service/src/accounts/api/handlers.py")
def test_the_stream_of_the_service_sends_what_happens(service: Callable[[], None]) -> None:
    service()
