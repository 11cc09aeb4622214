"""What the page on streaming claims."""

import asyncio
import gc
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import Depends, FastAPI, sse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import rules
from tests.parts.server import Server, commanded, serving

FOLDER = "concurrency/streaming"
ROW = 0.1  # seconds until the next row


async def arrivals(url: str) -> list[tuple[float, Any]]:
    """Return each event of a stream, and when it arrived."""
    started = time.perf_counter()
    async with aiohttp.ClientSession(url) as client, client.get("/progress") as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["Cache-Control"] == "no-cache"
        return [
            (time.perf_counter() - started, json.loads(line.removeprefix(b"data: ")))
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
    with serving(snippet.app) as server:
        events = asyncio.run(arrivals(server.url))
    assert [event for _, event in events] == [{"done": n, "of": 3} for n in range(1, 4)]
    assert events[-1][0] >= 3 * ROW, "there was nothing to wait for"
    spread = events[-1][0] - events[0][0]
    assert spread > ROW, "the events arrived together"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/events.py"], indirect=True)
def test_a_comment_is_sent_when_there_is_no_event(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    record_property("figure", f"{sse._PING_INTERVAL:g} seconds")
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.01)

    async def first_line(url: str) -> bytes:
        async with aiohttp.ClientSession(url) as client, client.get("/progress") as answer:
            return await answer.content.readline()

    with serving(snippet.app) as server:
        assert asyncio.run(first_line(server.url)) == b": ping\n"


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


async def seat_is_free(url: str, path: str = "/readers") -> bool:
    """Tell whether the seat of a reader who has left is free, or gets free when a path is asked."""
    async with aiohttp.ClientSession(url) as client:
        for _ in range(20):
            async with client.get(path):
                pass
            if not await who_reads(client):
                return True
            await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py", f"{FOLDER}/held.py"], indirect=True)
def test_the_seat_of_a_reader_who_keeps_up_is_free_again(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "PAUSE", 60)  # it waits at its await, however busy the machine is

    async def come_and_go(url: str) -> bool:
        async with reading(url):
            pass
        return await seat_is_free(url)

    with serving(snippet.app) as server:
        assert asyncio.run(come_and_go(server.url))


@pytest.fixture
def uncollected() -> Iterator[None]:
    """No garbage collection, also in processes that are forked."""
    gc.disable()
    yield
    gc.enable()


def leave_unread(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, then: str = "/sent") -> bool:
    """Stop reading, leave when nothing can be sent any more, ask; tell whether the seat is free."""
    ticks = 0

    async def sleep(_: float) -> None:
        nonlocal ticks
        ticks += 1
        await asyncio.sleep(0)

    async def collect() -> None:
        gc.collect()

    async def come_and_go(url: str) -> bool:
        async with reading(url) as client:
            seen = [-1]
            while len(set(seen[-5:])) > 1 or len(seen) < 5:  # until nothing is sent any more
                async with client.get("/sent") as answer:
                    seen.append(await answer.json())
        return await seat_is_free(url, then)

    monkeypatch.setattr(snippet, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(snippet, "TICK", "tick" * 500_000)
    snippet.app.get("/sent")(lambda: ticks)
    snippet.app.get("/collect")(collect)
    with serving(snippet.app) as server:
        return asyncio.run(come_and_go(server.url))


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
def test_the_seat_of_a_reader_who_stopped_reading_is_free_again(
    snippet: ModuleType, uncollected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leave_unread(snippet, monkeypatch), "the seat stays taken"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/held.py"], indirect=True)
def test_the_garbage_collector_frees_the_seat(
    snippet: ModuleType, uncollected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leave_unread(snippet, monkeypatch, then="/collect")


def test_a_clean_up_can_await_in_a_dependency_only(tmp_path: Path) -> None:
    app = FastAPI()

    async def dependency() -> AsyncIterator[None]:
        yield
        await asyncio.sleep(0.01)
        (tmp_path / "dependency").touch()

    @app.get("/", response_class=EventSourceResponse, dependencies=[Depends(dependency)])
    async def stream() -> AsyncIterator[ServerSentEvent]:
        try:
            yield ServerSentEvent(data="tick", id="7")
            await asyncio.sleep(60)
        finally:
            (tmp_path / "begun").touch()
            await asyncio.sleep(0)
            (tmp_path / "generator").touch()

    async def come_and_go(url: str) -> None:
        async with aiohttp.ClientSession(url) as client, client.get("/") as answer:
            assert await answer.content.readline() == b'data: "tick"\n'
            assert await answer.content.readline() == b"id: 7\n"

    with serving(app) as server:
        asyncio.run(come_and_go(server.url))
        for _ in range(500):
            if (tmp_path / "dependency").exists():
                break
            time.sleep(0.01)
        else:
            pytest.fail("the dependency is not closed")
        assert (tmp_path / "begun").exists()
        assert not (tmp_path / "generator").exists()


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
        await asyncio.sleep(60)

    @app.get("/short", response_class=EventSourceResponse)
    async def short() -> AsyncIterator[int | None]:
        async with AsyncSession(engine) as session:
            number = await session.scalar(text("SELECT 1"))
        yield number
        await asyncio.sleep(60)

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
    async def stop_while_read(server: Server) -> bool:
        async with reading(server.url):
            return await asyncio.to_thread(server.stop, within=0.5)

    with serving(snippet.app) as server:
        assert not asyncio.run(stop_while_read(server))


def test_a_limit_ends_an_endless_stream_and_waits_for_no_clean_up(tmp_path: Path) -> None:
    async def stop_while_read(url: str, server: subprocess.Popen[str]) -> str:
        async with reading(url):
            server.terminate()
            said, _ = await asyncio.to_thread(server.communicate, timeout=30)
        return said

    slowly = '        await asyncio.sleep(1)\n        print("the seat is free")'
    source = (SNIPPETS / FOLDER / "ticks.py").read_text()
    assert "        readers.remove(reader)" in source
    (tmp_path / "ticks.py").write_text(source.replace("        readers.remove(reader)", slowly))
    options = ["--timeout-graceful-shutdown", "1", "ticks:app"]
    with commanded(tmp_path, *options) as (url, server):
        said = asyncio.run(stop_while_read(url, server))
    assert "timeout graceful shutdown exceeded" in said
    assert "Application shutdown complete." in said
    assert "the seat is free" not in said


@pytest.mark.parametrize(("dont", "do"), [("collected.py", "events.py"), ("held.py", "ticks.py")])
def test_no_rule_sees_it(dont: str, do: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / do)
