"""How events reach the streams of a process."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr

from accounts import events
from accounts.config import Settings
from accounts.events import WAITING, Feed
from dev.ports import free_port


async def test_each_stream_gets_each_event() -> None:
    feed = Feed()
    with feed.stream() as first, feed.stream() as second:
        feed.publish("a")
        feed.publish("b")
        for stream in (first, second):
            assert [await stream.get(), await stream.get()] == ["a", "b"]
    assert feed.streams == set()


async def test_a_closed_feed_ends_its_streams_and_those_to_come() -> None:
    feed = Feed()
    with feed.stream() as before:
        feed.close()
        assert await before.get() is None
        with feed.stream() as after:
            assert await after.get() is None


async def test_a_reader_that_falls_behind_is_let_go() -> None:
    feed = Feed()
    with feed.stream() as slow:
        for number in range(WAITING + 5):
            feed.publish(str(number))
        assert feed.streams == set()
        read = [await slow.get() for _ in range(WAITING)]
    assert read[-2:] == [str(WAITING - 1), None]


async def test_it_waits_for_a_database_that_is_not_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = asyncio.Event()
    monkeypatch.setattr(events.log, "warning", lambda *_, **__: waited.set())
    nowhere = SecretStr(f"postgresql+asyncpg://127.0.0.1:{free_port()}/x")
    changed = settings.model_copy(update={"database_url": nowhere})
    listening = asyncio.create_task(events.listen(Feed(), changed))
    await asyncio.wait_for(waited.wait(), 30)
    assert not listening.done()
    listening.cancel()
    await asyncio.wait([listening])


NEWER = [
    *['{"kind": "deleted", "user_id": 7}', '{"kind": "created"}', '{"user_id": 7}'],
    *['{"kind": {"name": "created"}, "user_id": 7}', '{"kind": null, "user_id": 7}'],
    *['{"kind": "created", "user_id": "a"}', '{"kind": "created", "user_id": 0}'],
    *["[]", "null", "1", "", "x", "{", '"created"', "\ud800", "[" * 5000],
]
"""What a newer release may tell; this one knows none of it."""


async def test_the_endpoint_sends_what_happens_and_skips_what_it_does_not_know(
    app: FastAPI, client: AsyncClient
) -> None:
    feed: Feed = app.state.resources.feed

    async def tell() -> None:
        async with asyncio.timeout(30):
            while not feed.streams:  # noqa: ASYNC110  the feed tells nobody
                await asyncio.sleep(0.01)
        feed.publish(json.dumps({"kind": "created", "user_id": 7}))
        for newer in NEWER:
            feed.publish(newer)
        feed.publish(json.dumps({"kind": "changed", "user_id": 7, "more": [1]}))
        feed.close()

    telling = asyncio.create_task(tell())
    answer = await client.get("/users/events")
    await telling
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert [json.loads(line.removeprefix("data: ")) for line in lines] == [
        {"kind": "created", "user_id": 7},
        {"kind": "changed", "user_id": 7},
    ]
