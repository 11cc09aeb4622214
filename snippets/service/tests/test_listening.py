"""What streams are told when the connection that brings the events is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select, text

from accounts import events
from accounts.config import Settings
from accounts.database import Sessions
from accounts.events import Feed
from accounts.repositories.user_repository import UserRepository
from dev.ports import free_port

OTHERS = text(
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with short waits."""
    monkeypatch.setattr(events, "RECONNECT", 0.01)
    monkeypatch.setattr(events, "PING", 0.05)
    waits = {"statement_timeout": 0.2, "pool_timeout": 0.1}
    return settings.model_copy(update=waits)


@pytest.fixture
async def feed(settings: Settings) -> AsyncIterator[Feed]:
    """A feed that listens."""
    feed = Feed()
    listening = asyncio.create_task(events.listen(feed, settings))
    await asyncio.wait_for(feed.listening.wait(), 5)
    yield feed
    listening.cancel()
    await asyncio.wait([listening])


async def is_lost_and_back(feed: Feed, stream: events.Events) -> None:
    """Return when the stream has ended and another one can begin."""
    async with asyncio.timeout(5):
        assert await stream.get() is None
        await feed.listening.wait()


async def test_a_stream_ends_when_the_connection_is_lost(
    feed: Feed, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PING", 60)
    with feed.stream() as stream:
        async with sessions() as session:
            process = (await session.scalars(OTHERS)).one()
            await session.execute(select(func.pg_terminate_backend(process)))
        await is_lost_and_back(feed, stream)
    with feed.stream() as stream:
        async with sessions.begin() as session:
            await UserRepository(session).announce("x")
        assert await asyncio.wait_for(stream.get(), 5) == "x"


async def test_a_connection_that_no_longer_answers_is_noticed(
    feed: Feed, sessions: Sessions
) -> None:
    async with sessions() as session:
        process = (await session.scalars(OTHERS)).one()
    with feed.stream() as stream:
        os.kill(process, signal.SIGSTOP)
        try:
            await is_lost_and_back(feed, stream)
        finally:
            os.kill(process, signal.SIGCONT)


async def test_a_bug_is_logged_and_does_not_end_the_listening(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed, listen_once, errors = Feed(), events.listen_once, [KeyError]

    async def wrong_once(feed: Feed, settings: Settings) -> None:
        if errors:
            raise errors.pop()
        await listen_once(feed, settings)

    monkeypatch.setattr(events, "listen_once", wrong_once)
    listening = asyncio.create_task(events.listen(feed, settings))
    await asyncio.wait_for(feed.listening.wait(), 5)
    listening.cancel()
    await asyncio.wait([listening])
    assert "KeyError" in capsys.readouterr().out


class TestAway:
    """A database that can't be reached."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with an address where nobody listens."""
        nowhere = SecretStr(f"postgresql://127.0.0.1:{free_port()}/x")
        return settings.model_copy(update={"database_url": nowhere})

    async def test_no_stream_begins(self, client: AsyncClient) -> None:
        answer = await client.get("/users/events")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")

    async def test_at_the_end_none_is_waited_for(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        app.state.resources.feed.close()
        assert (await client.get("/users/events")).text == ""
