"""What the page on streaming claims."""

import asyncio
import json
import socket
import subprocess
import time
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from tests.engine.pages import SNIPPETS
from tests.parts.server import Server, serving

FOLDER = "concurrency/streaming"
ROW = 0.1  # seconds until the next row


async def arrivals(url: str) -> list[tuple[float, Any]]:
    """Return each event of a stream, and when it arrived."""
    started = time.perf_counter()
    async with aiohttp.ClientSession(url) as client, client.get("/progress") as answer:
        assert answer.content_type == "text/event-stream"
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


async def read_a_tick(url: str, stay: float = 0, read: asyncio.Event | None = None) -> list[str]:
    """Read the first event of the endless stream, tell, stay, and return who reads it then."""
    async with aiohttp.ClientSession(url) as client, client.get("/ticks/ann") as answer:
        assert await answer.content.readline() == b'data: "tick"\n'
        if read:
            read.set()
        await asyncio.sleep(stay)
        return await who_reads(client)


async def who_reads(client: aiohttp.ClientSession) -> list[str]:
    """Return who reads the endless stream."""
    async with client.get("/readers") as answer:
        return [str(reader) for reader in await answer.json()]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py"], indirect=True)
def test_a_reader_who_leaves_ends_the_generator(snippet: ModuleType) -> None:
    async def come_and_go(url: str) -> None:
        assert await read_a_tick(url) == ["ann"]
        async with aiohttp.ClientSession(url) as client:
            for _ in range(100):
                if not await who_reads(client):
                    return
                await asyncio.sleep(0.01)
        raise AssertionError("the generator goes on")

    with serving(snippet.app) as server:
        asyncio.run(come_and_go(server.url))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/ticks.py"], indirect=True)
def test_without_a_limit_an_endless_stream_holds_up_the_shutdown(snippet: ModuleType) -> None:
    async def stop_while_read(server: Server) -> bool:
        read = asyncio.Event()
        reading = asyncio.create_task(read_a_tick(server.url, stay=5, read=read))
        await read.wait()
        ended = await asyncio.to_thread(server.stop, within=0.5)
        reading.cancel()
        return ended

    with serving(snippet.app) as server:
        assert not asyncio.run(stop_while_read(server))


def test_a_limit_ends_an_endless_stream() -> None:
    async def stop_while_read(port: int, server: subprocess.Popen[str]) -> str:
        read = asyncio.Event()
        reading = asyncio.create_task(read_a_tick(f"http://127.0.0.1:{port}", stay=5, read=read))
        await read.wait()
        server.terminate()
        said, _ = await asyncio.to_thread(server.communicate, timeout=4)
        reading.cancel()
        return said

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["uvicorn", "--timeout-graceful-shutdown", "1", "ticks:app", f"--port={port}"]
    with subprocess.Popen(
        command, cwd=SNIPPETS / FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        assert any("Uvicorn running" in line for line in iter(server.stdout.readline, ""))
        assert "timeout graceful shutdown exceeded" in asyncio.run(stop_while_read(port, server))
