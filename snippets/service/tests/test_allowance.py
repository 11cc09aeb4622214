"""How often a client may cause a mail."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from redis.asyncio import Redis

from accounts import cache
from accounts.allowance import network_of
from accounts.config import ServerSettings
from accounts.main import create_app
from dev import valkey
from dev.keeper import Program
from dev.ports import free_port
from tests.conftest import OPERATOR
from tests.fixtures.sample_data import ANN

TWO = "2/hour"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes no answer late."""
    monkeypatch.setattr(cache, "PATIENCE", 30.0)


@pytest.fixture
def shared() -> Iterator[tuple[str, Program]]:
    """A Valkey server of the test's own, which has counted nothing."""
    with valkey.running() as running:
        yield running


@pytest.fixture
def settings(settings: ServerSettings, shared: tuple[str, Program]) -> ServerSettings:
    """Settings with a low limit."""
    told = {"redis_url": SecretStr(shared[0]), "mail_limit": TWO}
    return settings.model_copy(update=told)


async def called_by(app: FastAPI, host: str) -> AsyncIterator[AsyncClient]:
    """A client with an address."""
    transport = ASGITransport(app, client=(host, 1))
    async with AsyncClient(
        transport=transport, base_url="http://a", headers=OPERATOR
    ) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client in one network."""
    async for client in called_by(app, "192.0.2.1"):
        yield client


async def create(client: AsyncClient, number: int) -> int:
    """Ask for a user; return the status."""
    user = {**ANN, "email": f"ann{number}@example.org"}
    return (await client.post("/users", json=user)).status_code


# --8<-- [start:often]
async def test_who_asks_too_often_is_told_when_to_ask_again(
    client: AsyncClient,
) -> None:
    assert [await create(client, number) for number in range(3)] == [201, 201, 429]
    refused = await client.post("/users", json=ANN)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    listed = (await client.get("/users")).json()["users"]
    assert len(listed) == 2


async def test_all_processes_count_together(
    client: AsyncClient, settings: ServerSettings
) -> None:
    other = create_app(settings)
    async with other.router.lifespan_context(other):
        async for another in called_by(other, "192.0.2.1"):
            given = [
                await create(one, n) for n, one in enumerate([client, another] * 2)
            ]
    assert given == [201, 201, 429, 429]


# --8<-- [end:often]


async def test_each_client_is_counted_alone(client: AsyncClient, app: FastAPI) -> None:
    assert [await create(client, number) for number in range(3)][-1] == 429
    async for another in called_by(app, "192.0.2.2"):
        assert await create(another, 3) == 201


async def test_a_new_address_counts_and_a_new_name_does_not(
    client: AsyncClient,
) -> None:
    assert await create(client, 1) == 201
    for _ in range(3):
        named = await client.patch("/users/1", json={"display_name": "Anna"})
        assert named.status_code == 200
    statuses = [
        (
            await client.patch("/users/1", json={"email": f"a{n}@example.org"})
        ).status_code
        for n in range(2)
    ]
    assert statuses == [200, 429]


async def test_what_is_malformed_is_not_counted(client: AsyncClient) -> None:
    for _ in range(5):
        assert (await client.post("/users", json={})).status_code == 422
    assert await create(client, 1) == 201


async def test_a_count_ends(client: AsyncClient, shared: tuple[str, Program]) -> None:
    assert await create(client, 1) == 201
    async with Redis.from_url(shared[0]) as seen:
        keys = await seen.keys("*")
        assert len(keys) == 1
        assert re.search(r"accounts:\w+:limit", str(keys[0]))
        assert 0 < await seen.ttl(keys[0]) <= 3600


# --8<-- [start:away]
class TestAway:
    """A Valkey server that can't be reached."""

    @pytest.fixture
    def settings(self, settings: ServerSettings) -> ServerSettings:
        """Settings with an address where nobody listens."""
        nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
        return settings.model_copy(update={"redis_url": nowhere})

    async def test_each_process_counts_for_itself(
        self, settings: ServerSettings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = list[int]()
        async with AsyncExitStack() as stack:
            for first in (0, 10):
                app = create_app(settings)
                await stack.enter_async_context(app.router.lifespan_context(app))
                async for client in called_by(app, "192.0.2.1"):
                    given += [await create(client, first + n) for n in range(3)]
        assert given == [201, 201, 429] * 2
        assert capsys.readouterr().out.count('"event": "limit_unreachable"') == 2


# --8<-- [end:away]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "no address", True),
    ],
)
def test_what_one_client_has_of_addresses(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) == same
