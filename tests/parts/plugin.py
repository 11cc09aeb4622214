"""Real parts for tests and blocks: a database of its own, and a server that misbehaves.

A snippet says what it needs by the name of an environment variable.
"""

import importlib
from collections.abc import Iterator

import pytest

from tests.engine.pages import SNIPPETS, Block
from tests.parts.postgres import Postgres, running
from tests.parts.server import serving

NEEDS = {"DATABASE_URL": "database", "UPSTREAM_URL": "upstream"}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once a session."""
    with running() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database of the test's own; its address is in DATABASE_URL too."""
    address = f"postgresql+asyncpg:{postgres.create()}"
    monkeypatch.setenv("DATABASE_URL", address)
    return address


@pytest.fixture(scope="session")
def misbehaving() -> Iterator[str]:
    """A server that is slow, hangs and fails, started once a session."""
    app = importlib.import_module("snippets.concurrency.clients.misbehaving").app
    with serving(app, timeout_graceful_shutdown=0) as server:
        yield server.url


@pytest.fixture
def upstream(misbehaving: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the server that misbehaves; it is in UPSTREAM_URL too."""
    monkeypatch.setenv("UPSTREAM_URL", misbehaving)
    return misbehaving


@pytest.fixture
def parts(request: pytest.FixtureRequest) -> None:
    """What the block or the test's snippet needs, which its text names."""
    block = getattr(getattr(request.node, "example", None), "parsed", None)
    callspec = getattr(request.node, "callspec", None)
    path = block.path if isinstance(block, Block) else callspec and callspec.params.get("snippet")
    if not path or (block and " run " not in request.node.name):
        return
    text = (SNIPPETS / path).read_text()
    for variable, fixture in NEEDS.items():
        if variable in text:
            request.getfixturevalue(fixture)
