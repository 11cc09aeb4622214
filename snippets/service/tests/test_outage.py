"""What a client sees when a part is away, and of what is a bug."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select, text

from accounts import cache, database
from accounts.api.dependencies import Resources, Session
from accounts.config import ServerSettings, Settings
from accounts.database import Sessions
from accounts.models import Message, User
from dev.ports import free_port
from dev.postgres import Postgres
from tests.fixtures.sample_data import ANN

TOLD = b"SFATAL\0C57P01\0Mterminating connection\0\0"
FAREWELL = b"E" + (len(TOLD) + 4).to_bytes(4, "big") + TOLD
"""What the server of a database says before it hangs up, as PostgreSQL sends it."""


class TestAway:
    """A database that can't be reached."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with an address where nobody listens."""
        nowhere = SecretStr(f"postgresql://127.0.0.1:{free_port()}/x")
        return settings.model_copy(update={"database_url": nowhere})

    async def test_requests_are_answered_503(self, client: AsyncClient) -> None:
        answers = [
            await client.get("/users"),
            await client.get("/users/1"),
            await client.post("/users", json=ANN),
        ]
        for answer in answers:
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")

    # --8<-- [start:away]
    async def test_it_lives_but_is_not_ready(self, client: AsyncClient) -> None:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")

    # --8<-- [end:away]

    async def test_its_metrics_are_served(self, client: AsyncClient) -> None:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert "http_requests_total" in answer.text
        assert "outbox" not in answer.text


class TestAwayAndCached:
    """A database that can't be reached, and a cache that holds a user."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with the cache on, and an address where nobody listens."""
        nowhere = SecretStr(f"postgresql://127.0.0.1:{free_port()}/cached")
        told = {"database_url": nowhere, "cache_seconds": 60}
        return settings.model_copy(update=told)

    async def test_a_user_that_the_cache_holds_is_read(
        self, app: FastAPI, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache, "PATIENCE", 30.0)  # a busy machine is no outage
        resources: Resources = app.state.resources
        ann = User(id=1, version=1, created_at=datetime.now(UTC), **ANN)
        await resources.cache.put(ann)
        answers = [await client.get(f"/users/{number}") for number in (1, 2)]
        assert [answer.status_code for answer in answers] == [200, 503]


class TestUncached:
    """A cache that can't be reached."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with a cache where nobody listens."""
        nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
        return settings.model_copy(update={"redis_url": nowhere, "cache_seconds": 60})

    async def test_it_is_left_alone_and_the_log_tells_once(
        self, client: AsyncClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert {(await client.get("/users/1")).status_code for _ in range(3)} == {404}
        assert capsys.readouterr().out.count('"event": "cache_unreachable"') == 1


class TestBrokerless:
    """A broker that can't be reached, or that doesn't answer."""

    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        """A socket of the broker's address; nobody listens, and nobody answers."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            yield listener

    @pytest.fixture
    def settings(
        self,
        settings: ServerSettings,
        listener: socket.socket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> ServerSettings:
        """Settings with that broker, which Celery reads too."""
        away = SecretStr(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
        settings = settings.model_copy(update={"redis_url": away})
        for name in ("database_url", "redis_url"):
            monkeypatch.setenv(name.upper(), getattr(settings, name).get_secret_value())
        return settings

    # --8<-- [start:brokerless]
    @pytest.mark.parametrize("silent", [False, True])
    async def test_a_user_is_stored_with_its_message_and_answered(
        self,
        client: AsyncClient,
        sessions: Sessions,
        listener: socket.socket,
        silent: bool,
    ) -> None:
        if silent:
            listener.listen()
        answer = await client.post("/users", json=ANN)
        async with sessions() as session:
            users, messages = [
                await session.scalar(select(func.count()).select_from(table))
                for table in (User, Message)
            ]
        assert (answer.status_code, users, messages) == (201, 1, 1)

    # --8<-- [end:brokerless]


class TestSlow:
    """A database whose answers take too long."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings with short waits, and one connection."""
        waits = {"pool_timeout": 0.1, "statement_timeout": 0.2}
        return settings.model_copy(update={**waits, "pool_size": 1, "pool_overflow": 0})

    async def test_a_slow_statement_is_answered_503(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        @app.get("/slow")
        async def slow(session: Session) -> None:
            await session.execute(text("SELECT pg_sleep(5)"))

        assert (await client.get("/slow")).status_code == 503
        assert (await client.get("/users")).status_code == 200

    async def test_a_full_pool_is_answered_503(
        self, app: FastAPI, client: AsyncClient
    ) -> None:
        async with app.state.resources.sessions() as session:
            await session.execute(text("SELECT 1"))
            assert (await client.get("/users")).status_code == 503
        assert (await client.get("/users")).status_code == 200


async def test_a_busy_pool_is_no_reason_to_be_not_ready(
    app: FastAPI, client: AsyncClient
) -> None:
    settings = app.state.resources.settings
    async with AsyncExitStack() as stack:
        for _ in range(settings.pool_size + settings.pool_overflow):
            session = await stack.enter_async_context(app.state.resources.sessions())
            await session.execute(text("SELECT 1"))
        assert (await client.get("/readyz")).status_code == 200


async def test_it_soon_tells_that_it_is_not_ready(
    app: FastAPI, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.get("/readyz")).status_code == 200
    process = app.state.resources.probe.connection.get_server_pid()
    monkeypatch.setattr(database, "READY_WITHIN", 0.05)
    os.kill(process, signal.SIGSTOP)
    try:
        answers = [await client.get("/readyz") for _ in range(2)]
    finally:
        os.kill(process, signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [503, 503]
    monkeypatch.setattr(database, "READY_WITHIN", 30)
    assert (await client.get("/readyz")).status_code == 200


async def test_a_probe_that_lost_its_connection_takes_another(
    app: FastAPI, client: AsyncClient, sessions: Sessions
) -> None:
    assert (await client.get("/readyz")).status_code == 200
    process = app.state.resources.probe.connection.get_server_pid()
    async with sessions() as session:
        await session.execute(select(func.pg_terminate_backend(process)))
    assert (await client.get("/readyz")).status_code == 200


async def test_a_probe_whose_connection_is_ending_takes_another(
    app: FastAPI, client: AsyncClient
) -> None:
    assert (await client.get("/readyz")).status_code == 200
    ending = app.state.resources.probe.connection
    ending._protocol.data_received(FAREWELL)  # the server's, before it hangs up
    assert not ending.is_closed()
    assert (await client.get("/readyz")).status_code == 200
    assert app.state.resources.probe.connection is not ending


async def test_a_request_whose_connection_is_ending_takes_another(
    app: FastAPI, client: AsyncClient
) -> None:
    async with app.state.resources.sessions() as session:
        connection = await session.connection()
        ending = (await connection.get_raw_connection()).driver_connection
    assert ending is not None
    ending._protocol.data_received(FAREWELL)
    assert not ending.is_closed()
    assert (await client.get("/users")).status_code == 200
    assert ending.is_closed()


class TestFull:
    """A database that takes no more connections."""

    @pytest.fixture
    def settings(self, settings: Settings, server: Postgres) -> Iterator[Settings]:
        """Settings of a user that may not connect even once."""
        server.tell("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
        url = settings.database_url.get_secret_value().replace("postgres@", "crowd@")
        yield settings.model_copy(update={"database_url": SecretStr(url)})
        server.tell("DROP ROLE crowd")

    async def test_requests_are_answered_503(
        self, client: AsyncClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert (await client.get("/users")).status_code == 503
        assert '"error": "TooManyConnectionsError"' in capsys.readouterr().out

    async def test_it_is_not_ready_and_says_why(
        self, client: AsyncClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert (await client.get("/readyz")).status_code == 503
        assert '"error": "TooManyConnectionsError"' in capsys.readouterr().out


class TestFullLater:
    """A database that takes no more connections from now on."""

    @pytest.fixture
    def settings(self, settings: Settings, server: Postgres) -> Iterator[Settings]:
        """Settings of a user that may connect."""
        server.tell("CREATE ROLE early LOGIN")
        url = settings.database_url.get_secret_value().replace("postgres@", "early@")
        yield settings.model_copy(update={"database_url": SecretStr(url)})
        server.tell("DROP ROLE early")

    async def test_a_process_that_has_its_connection_is_ready(
        self, server: Postgres, client: AsyncClient
    ) -> None:
        assert (await client.get("/readyz")).status_code == 200
        await server.tell_async("ALTER ROLE early CONNECTION LIMIT 0")
        assert (await client.get("/users")).status_code == 503
        assert (await client.get("/readyz")).status_code == 200


async def test_a_server_that_became_read_only_is_left(
    server: Postgres, settings: Settings, client: AsyncClient
) -> None:
    name = settings.database_url.get_secret_value().rpartition("/")[2]
    change = f"ALTER DATABASE {name} SET default_transaction_read_only = "
    await server.tell_async(change + "on")
    assert (await client.post("/users", json=ANN)).status_code == 503
    await server.tell_async(change + "off")
    assert (await client.post("/users", json=ANN)).status_code == 201


async def test_a_missing_file_is_a_bug(app: FastAPI, client: AsyncClient) -> None:
    @app.get("/missing")
    async def missing() -> None:
        raise FileNotFoundError

    assert (await client.get("/missing")).status_code == 500


async def test_a_wrong_query_is_a_bug(app: FastAPI, client: AsyncClient) -> None:
    @app.get("/wrong")
    async def wrong(session: Session) -> None:
        await session.execute(text("SELECT nothing"))

    assert (await client.get("/wrong")).status_code == 500
