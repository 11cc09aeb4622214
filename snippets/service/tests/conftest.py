"""Parts that tests share: real servers once a session, a database for each test."""

import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from accounts import tokens
from accounts.config import ServerSettings, Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.main import create_app
from dev import postgres, valkey
from dev.folders import temporary
from dev.postgres import Postgres
from dev.processes import migrate

pytest_plugins = ["tests.system"]
TOKEN_KEY = "a key for tests, of 32 bytes or more"  # noqa: S105  it opens nothing else
UNLIMITED = "1000000/second"
NUMBERS = itertools.count(1)


def bearer(user_id: int, *scopes: str, key: str = TOKEN_KEY) -> dict[str, str]:
    """Return the header of a user's request."""
    token = tokens.mint(key, user_id, timedelta(hours=1), scopes)
    return {"Authorization": f"Bearer {token}"}


OPERATOR = bearer(10**9, tokens.READ, tokens.WRITE)
"""The header of an operator, who is no user."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tear down at SIGTERM as at Ctrl-C, and the files of tests as those of parts."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not config.option.basetemp:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        folder = stack.enter_context(temporary("tests"))
        config.option.basetemp = str(folder / "tests")


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server with a migrated database to copy from."""
    with postgres.running() as running:
        running.tell("CREATE DATABASE template")
        migrate(running.url("template"))
        yield running


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey server."""
    with valkey.running() as (url, _):
        yield url


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """Let a database that is there be slow to say so: a busy machine is no outage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accounts.database.READY_WITHIN", 30.0)
        yield


# --8<-- [start:database]
@contextmanager
def database(server: Postgres) -> Iterator[str]:
    """A migrated, empty database; give its address."""
    name = f"test_{next(NUMBERS)}"
    server.tell(f"CREATE DATABASE {name} TEMPLATE template STRATEGY FILE_COPY")
    yield server.url(name)
    server.tell(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(server: Postgres) -> Iterator[str]:
    """A database of the test's own."""
    with database(server) as url:
        yield url


# --8<-- [end:database]


@pytest.fixture
def settings(database_url: str, redis_url: str) -> ServerSettings:
    """Settings for the test's own database; the cache and the limit are off."""
    return ServerSettings(
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        token_key=SecretStr(TOKEN_KEY),
        cache_seconds=0,
        mail_limit=UNLIMITED,
        connect_timeout=30,  # a busy machine is no outage
    )


# --8<-- [start:sessions]
@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[Sessions]:
    """Sessions of the test's own, apart from those of the app."""
    engine = create_engine(settings)
    yield create_sessions(engine)
    await engine.dispose()


@pytest.fixture
async def app(settings: ServerSettings) -> AsyncIterator[FastAPI]:
    """The app, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


# --8<-- [end:sessions]


# --8<-- [start:client]
@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that calls the app in this process, as an operator."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://test", headers=OPERATOR
    ) as client:
        yield client


# --8<-- [end:client]
