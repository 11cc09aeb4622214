"""Real parts for tests and blocks: a database of its own, and a server that misbehaves.

A snippet says what it needs by the name of an environment variable.
"""

import asyncio
import importlib
from collections.abc import Generator, Iterator

import pytest

from tests.engine.pages import HOME, ROOT, SNIPPETS, Block, RefusedError
from tests.engine.plugin import MARK, STATE
from tests.parts.greenlets import let_threads_end
from tests.parts.postgres import Postgres, running
from tests.parts.server import serving
from tests.parts.valkey import running as running_valkey
from tests.parts.warden import watched

CUT_SHORT = ["concurrency/fanout/unbounded.py"]  # the driver aborts a query that is cancelled
let_threads_end()
NEEDS = {"DATABASE_URL": "database", "UPSTREAM_URL": "upstream"}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """End what tests leave, also where the session is killed."""
    with watched(MARK):
        return (yield)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started once a session."""
    with running() as server:
        yield server


@pytest.fixture
def database(
    request: pytest.FixtureRequest, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An empty database of the test's own; its address is in DATABASE_URL too.

    What connects to it must close its connections.
    """
    address, path = f"postgresql+asyncpg:{postgres.create()}", snippet_of(request)
    monkeypatch.setenv("DATABASE_URL", address)
    yield address
    if path in CUT_SHORT or request.node.nodeid in request.config.stash[STATE].failed:
        return
    if left := asyncio.run(postgres.left(address.rpartition("/")[2])):
        file = SNIPPETS / path if path else request.path
        cure = "Await `engine.dispose()` where it ends"
        raise RefusedError(
            file, 1, f"it leaves {left} connection{'s' * (left > 1)} to the database", cure
        )


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The address of a Valkey server, started once a session."""
    with running_valkey() as address:
        yield address


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


def snippet_of(request: pytest.FixtureRequest) -> str | None:
    """Return the path of the block or of the test's snippet."""
    block = getattr(getattr(request.node, "example", None), "parsed", None)
    callspec = getattr(request.node, "callspec", None)
    path: str | None = block.path if isinstance(block, Block) else None
    return path or (callspec and callspec.params.get("snippet"))


@pytest.fixture
def parts(request: pytest.FixtureRequest) -> None:
    """What the block or the test's snippet needs, which its text names."""
    path = snippet_of(request)
    if not path or " proof " in request.node.name:
        return
    if (SNIPPETS / path).is_relative_to(ROOT / HOME):
        assert request.getfixturevalue("service_runs").evidence
        return
    text = (SNIPPETS / path).read_text()
    for variable, fixture in NEEDS.items():
        if variable in text:
            request.getfixturevalue(fixture)
