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


@pytest.mark.parametrize("snippet", [f"{FOLDER}/held.py"], indirect=True)
def test_the_garbage_collector_frees_the_seat(eager: ModuleType) -> None:
    assert clock.run(leave_unread(eager, then=gc.collect))


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


@pytest.mark.parametrize(("dont", "do"), [("collected.py", "events.py"), ("held.py", "ticks.py")])
def test_no_rule_sees_it(dont: str, do: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / do)
