"""What a client sees when a part is away, and of what is a bug."""

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text

from accounts.api.dependencies import Session
from accounts.config import Settings
from dev.ports import free_port
from tests.fixtures.sample_data import ANN


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

    async def test_it_lives_but_is_not_ready(self, client: AsyncClient) -> None:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")


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


async def test_a_wrong_query_is_a_bug(app: FastAPI, client: AsyncClient) -> None:
    @app.get("/wrong")
    async def wrong(session: Session) -> None:
        await session.execute(text("SELECT nothing"))

    assert (await client.get("/wrong")).status_code == 500
