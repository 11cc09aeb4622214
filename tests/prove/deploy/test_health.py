"""What the page on health checks claims."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml
from sqlalchemy import NullPool, event, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts.evidence import failing
from tests.parts.server import asked, free_port, listener
from tests.parts.service import SERVICE
from tests.prove.twins import dont

FOLDER = "deploy/health"
SOURCE = SERVICE / "src/accounts"
OUTAGE, MONITOR = "tests/test_outage.py", "tests/test_monitor.py"
BUSY = f"{OUTAGE}::test_a_busy_pool_is_no_reason_to_be_not_ready"
ALL = [f"{FOLDER}/{name}.py" for name in ("checks", "restarted", "promised")]
REPLICAS = 3
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Answer health checks so that an outage stays small",
    "Let liveness ask nothing but the process itself, and readiness ask what each request needs.",
    "If you don't know whether a part belongs to readiness, leave it out.",
    "Ask for a part that all replicas share only if your proxy's own answer is good enough: without that part, all leave at once.",
    "Install fastapi, uvicorn, sqlalchemy[asyncio] and asyncpg, and export DATABASE_URL, which make parts prints.",
    "Don't ask the database in the liveness check",
    "Give liveness and readiness a path each.",
    "Keep one connection for readiness beside the pool, and end its wait.",
    "Tell an orchestrator the paths, with waits that are longer than your own.",
    "Take the database away in a test, and ask both paths.",
]


def nowhere() -> AsyncEngine:
    """Return the engine of a database that is away."""
    return create_async_engine(
        f"postgresql+asyncpg://127.0.0.1:{free_port()}/x", poolclass=NullPool
    )


def statuses(snippet: ModuleType) -> dict[str, int]:
    """Return the status of each path."""

    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await snippet.engine.dispose()

    snippet.app.router.lifespan_context = lifespan
    paths = ["/healthz", "/readyz"]
    answers = asked(snippet.app, *(f"GET {path}" for path in paths))
    return {path: answer[0] for path, answer in zip(paths, answers, strict=True)}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take a minute for an answer that is there."""
    monkeypatch.setattr(asyncio, "wait", partial(waiting, asyncio.wait))


def waiting(wait: Any, tasks: Any, **told: Any) -> Any:
    """Wait for a minute in place of a second."""
    return wait(tasks, **told | ({"timeout": 60} if told.get("timeout") else {}))


@pytest.mark.usefixtures("patient")
@pytest.mark.holds(
    "A test with a database that answers is green.",
    "An orchestrator asks whether to restart a process (liveness), whether to send it requests (readiness), and whether it has started.",
)
@pytest.mark.parametrize("snippet", ALL, indirect=True)
def test_with_a_database_all_is_well(snippet: ModuleType) -> None:
    assert statuses(snippet) == {"/healthz": 200, "/readyz": 200}
    kinds = yaml.safe_load((SNIPPETS / FOLDER / "probes.yml").read_text())
    assert list(kinds) == ["startupProbe", "livenessProbe", "readinessProbe"]


@pytest.mark.holds(
    "The database is away for a minute, and the orchestrator restarts all replicas at once.",
    "All replicas ask one database, so all are restarted at once, and a restart brings no database back.",
    "Look at the two paths, and at what each asks:",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/checks.py", dont(f"{FOLDER}/restarted.py", "3 of 3 replicas are restarted")],
    indirect=True,
)
def test_no_replica_is_restarted(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snippet, "engine", nowhere())
    found = [statuses(snippet)["/healthz"] for _ in range(REPLICAS)]
    assert statuses(snippet)["/readyz"] == 503
    restarted = [status for status in found if status != 200]
    assert not restarted, f"{len(restarted)} of {REPLICAS} replicas are restarted"


@pytest.mark.holds(
    "Or each request is answered 500, and the health check says 200 all the while.",
    "While the database is away, /healthz says 200 and /readyz says 503.",
    "Don't promise without asking",
    "The process runs, so the check is green, and each request that needs the database fails.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/checks.py", dont(f"{FOLDER}/promised.py", "it says 200, and a request gets 500")],
    indirect=True,
)
def test_no_request_is_sent_that_fails(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_users() -> None:
        async with snippet.engine.connect():
            pass

    snippet.app.add_api_route("/users", read_users)
    monkeypatch.setattr(snippet, "engine", nowhere())
    ready = statuses(snippet)["/readyz"]
    assert statuses(snippet)["/healthz"] == 200
    ((status, *_),) = asked(snippet.app, "GET /users")
    assert status == 500
    assert ready == 503, f"it says {ready}, and a request gets {status}"


async def full(snippet: ModuleType) -> tuple[bool, bool]:
    """Return whether a process that was ready is so with a full database, and whether others are."""
    role, url = "almost_full", make_url(snippet.URL)
    owner = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with owner.connect() as connection:
        await connection.execute(text(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 2"))

    @event.listens_for(snippet.engine.sync_engine, "do_connect")
    def limit(*told: Any) -> None:
        told[-1]["user"] = role

    assert await snippet.answers()
    other = create_async_engine(url.set(username=role), poolclass=NullPool)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(other.connect())
        with pytest.raises(DBAPIError, match="too many connections"):
            await stack.enter_async_context(other.connect())
        kept = await snippet.answers()
        await snippet.engine.dispose()
        await stack.enter_async_context(other.connect())  # somebody takes its place
        late = await snippet.answers()
    async with owner.connect() as connection:
        await connection.execute(text(f"DROP ROLE {role}"))
    return kept, late


@pytest.mark.usefixtures("patient")
@pytest.mark.holds(
    "The engine keeps one connection: a process that has it stays ready while the database takes no more.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checks.py"], indirect=True)
def test_a_full_database_keeps_who_is_connected(snippet: ModuleType) -> None:
    assert asyncio.run(full(snippet)) == (True, False)


@contextlib.asynccontextmanager
async def silenced(engine: AsyncEngine) -> AsyncIterator[asyncio.Event]:
    """Stop the database's process of a connection that is kept, whose close waits for an event."""
    ended, close = asyncio.Event(), asyncpg.Connection.close

    async def late(connection: Any, **told: Any) -> None:
        await ended.wait()
        await close(connection, **told)

    async with engine.connect() as connection:
        process = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    os.kill(process, signal.SIGSTOP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "close", late)
        try:
            yield ended
        finally:
            os.kill(process, signal.SIGCONT)
            ended.set()
            await engine.dispose()


async def silent(snippet: ModuleType, patch: pytest.MonkeyPatch) -> tuple[bool, bool]:
    """Return what a silent database's answers are, of a new connection and of one that is kept."""
    async with silenced(snippet.engine) as ended:
        async with asyncio.timeout(60):  # it waits for no close, which doesn't end
            kept = await snippet.answers()
        assert not ended.is_set()
    with listener() as accepting:
        url = f"postgresql+asyncpg://127.0.0.1:{accepting.getsockname()[1]}/x"
        patch.setattr(snippet, "engine", create_async_engine(url, poolclass=NullPool))
        return await snippet.answers(), kept


@pytest.mark.holds(
    "A database that accepts and says nothing ends the wait too: after a second, /readyz says 503.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checks.py"], indirect=True)
def test_a_silent_database_is_not_waited_for(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, wait = list[float | None](), asyncio.wait

    def noted(tasks: Any, **told: Any) -> Any:
        waits.append(told.get("timeout"))
        return wait(tasks, **told)

    monkeypatch.setattr(asyncio, "wait", noted)
    assert asyncio.run(silent(snippet, monkeypatch)) == (False, False)
    assert waits.count(1) == 2
    monkeypatch.setattr(snippet, "engine", nowhere())
    assert statuses(snippet)["/readyz"] == 503


@pytest.mark.holds(
    "Don't ask over the connections of the requests",
    "This change of the service asks over the pool that the requests share:",
    "While all connections of the pool are busy for more than 1 second, the process serves and says that it isn't ready.",
    "Its requests go to the other replicas then, which are as busy.",
    "All connections of the pool are busy | 200 on /readyz",
)
@pytest.mark.service(BUSY)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/pooled.patch", r"assert 503 == 200")])
def test_a_busy_pool_is_ready(service: Holds, patch: str | None, record_property: Any) -> None:
    service()
    database = (SOURCE / "database.py").read_text()
    assert "async with asyncio.timeout(READY_WITHIN), sessions() as session:" in database
    (within,) = re.findall(r"^READY_WITHIN = ([\d.]+)", database, re.MULTILINE)
    record_property("figure", f"{float(within):g} second")


@pytest.mark.holds(
    "What the service answers",
    "The service's tests take each of these away:",
    "The database is away | /healthz 200, /readyz 503, requests 503 with Retry-After",
    "The database accepts and doesn't answer | /readyz 503, and 200 when it answers again",
    "The database takes no more connections | /readyz 503 with the reason in the log, or 200 in a process that has its connection",
    "The broker is away, or accepts and doesn't answer | a request that creates a user 201",
    "The cache is away | requests as ever, and a line in the log of each process, again after 5 seconds",
    "Without the cache, each process counts for itself how many mails a client may ask for.",
    "Neither the broker nor the cache belongs to readiness: requests are served without them.",
    "The service has this test:",
    "The service's two endpoints:",
)
@pytest.mark.service(
    f"{OUTAGE}::TestAway",
    f"{OUTAGE}::test_it_soon_tells_that_it_is_not_ready",
    f"{OUTAGE}::TestFull",
    f"{OUTAGE}::TestFullLater",
    "tests/test_allowance.py::TestAway::test_each_process_counts_for_itself",
    f"{OUTAGE}::TestBrokerless",
    f"{OUTAGE}::TestUncached",
)
@pytest.mark.proves("service/src/accounts/api/health.py")
def test_each_part_is_taken_away(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / OUTAGE).read_text()
    assert 'answer.headers["Retry-After"]) == (503, "1")' in told
    assert "Retry-After" in told
    cache = (SOURCE / "cache.py").read_text()
    assert "if time.monotonic() < self.resting_until:" in cache
    (rest,) = re.findall(r"^REST = ([\d.]+)", cache, re.MULTILINE)
    record_property("figure", f"{float(rest):g} seconds")
    for figure in ("200", "503", "201"):
        assert figure in told
        record_property("figure", figure)


@pytest.mark.holds(
    "Then take it away from a server that runs, and bring it back: the service's test of that sees 503 and 200, and no restart.",
)
@pytest.mark.service(
    "tests/survival/test_database.py::test_it_answers_503_and_recovers_without_a_restart"
)
@pytest.mark.proves("service/tests/test_outage.py")
def test_it_recovers(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / "tests/survival/test_database.py").read_text()
    for status in re.findall(r"statuses.keys\(\) == \{(\d+), (\d+)\}", told)[0]:
        record_property("figure", status)


@pytest.mark.holds(
    "A process that serves nobody",
    "A relay or a scheduler has no endpoint, so its loop notes each round of work, and a thread answers /healthz:",
    "It says 503 when no round was noted for 60 seconds.",
    "A database that is away is no reason: the loop goes on.",
    "Celery's worker notes a timer each 5 seconds, and is well for as long as it has no broker.",
    "In a container, python -m accounts.monitor asks it.",
)
@pytest.mark.service(MONITOR)
@pytest.mark.proves("service/src/accounts/monitor.py")
def test_a_worker_tells_whether_its_loop_turns(service: Holds, record_property: Any) -> None:
    service()
    (silence,) = re.findall(r"^SILENCE = (\d+)", (SOURCE / "monitor.py").read_text(), re.MULTILINE)
    record_property("figure", f"{silence} seconds")
    statuses = re.findall(r"statuses == \[([\d, ]+)\]", (SERVICE / MONITOR).read_text())[0]
    record_property("figure", min(set(statuses.split(", ")) - {"200"}))
    for name in "relay", "scheduler":
        assert "background.repeat(" in (SOURCE / f"{name}.py").read_text()
    worker = (SOURCE / "worker.py").read_text()
    assert "parent.timer.call_repeatedly(RATE, PULSE.beat)" in worker
    (rate,) = re.findall(r"^RATE = ([\d.]+)", worker, re.MULTILINE)
    record_property("figure", f"{float(rate):g} seconds")
    asks = "python -m accounts.monitor".replace(" ", ", ")
    assert f"test: [CMD, {asks}]" in (SERVICE / "compose.yaml").read_text()


@pytest.mark.holds(
    "The time of the answer has its offset: datetime.now(UTC), never datetime.now().",
    "In Kubernetes, a container's probes look so:",
    "The service waits for the database for 1 second, and the probe waits for 3.",
)
@pytest.mark.proves(f"{FOLDER}/probes.yml")
def test_the_probes_ask_what_is_there(record_property: Any) -> None:
    probes = yaml.safe_load((SNIPPETS / FOLDER / "probes.yml").read_text())
    health = (SOURCE / "api/health.py").read_text()
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert {*paths.values()} == set(re.findall(r'get\("(/\w+z)"', health))
    assert paths["livenessProbe"] == paths["startupProbe"] == "/healthz"
    database = (SOURCE / "database.py").read_text()
    (within,) = re.findall(r"^READY_WITHIN = ([\d.]+)", database, re.MULTILINE)
    waits = probes["readinessProbe"]["timeoutSeconds"]
    assert waits > float(within)
    record_property("figure", f"{float(within):g} second")
    record_property("figure", f"{waits}")
    start = probes["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == 60
    for probe, most in ("livenessProbe", 30), ("readinessProbe", 10):  # seconds of silence
        assert probes[probe]["periodSeconds"] * probes[probe]["failureThreshold"] == most
    assert "time=datetime.now(UTC)" in health
    assert datetime.now(UTC).isoformat().endswith("+00:00")
