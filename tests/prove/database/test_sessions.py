"""What the page on sessions in a service claims."""

import asyncio
import gc
import importlib
import re
import subprocess
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import StreamingResponse
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import NullPool, func, make_url, text
from sqlalchemy.exc import DBAPIError, MissingGreenlet
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.engine.pages import ROOT, SNIPPETS
from tests.parts import clock
from tests.parts.postgres import Postgres, column, connected, running
from tests.parts.server import beside
from tests.prove.holding import NUMBERS
from tests.prove.twins import dont

FOLDER = "database/sessions"
SERVICE = SNIPPETS / "service"
OWN = importlib.import_module("snippets.database.sessions.own")
get_session = OWN.get_session
POOL = {"pool_size": 5, "max_overflow": 5}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
SYNCED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND """
Order = Callable[[list[int]], Coroutine[Any, Any, tuple[int, str]]]
Closed = Annotated[AsyncSession, Depends(get_session, scope="function")]  # as in `own.py`


INSTRUCTIONS = [
    "Open a session for each request",
    "Open a session in each request, close it before the answer is sent unless that is a stream, and let the pools of all processes fit into the server.",
    "If you don't know how large a pool must be, take the POOL below, and count the processes.",
    "Look at get_session: it opens a session for one request, and closes it whatever happens.",
    "Install fastapi, uvicorn, sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't keep one session for all requests",
    "Don't let the commit expire what the answer needs",
    "Do: count the connections of all processes",
    "Don't leave out the overflow",
    "Choose the two sizes of a pool",
    "Set pool_size to what a process needs all day, and max_overflow to what it needs in its busiest moments.",
    "Measure how long requests wait for a connection before you raise either of them.",
    "Count the workers, the migration and your own connections too.",
    "Count twice what a deployment runs twice: the old processes and the new ones.",
    "After such a timeout, look for the order before you store it again: see Let a client send a request again safely.",
    "Open one engine in the lifespan of each process, and dispose of it at the end.",
    "Give each endpoint its session by a dependency that only closes it.",
    "Set expire_on_commit=False once, where the sessions are made.",
    "Open all connections of a pool, and ask the server how many there are.",
]


@asynccontextmanager
async def filled(database: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine whose database has the tables of `own.py`, and the items 1 to 3."""
    engine = create_async_engine(database)
    await OWN.create_tables(engine)
    await sell(OWN, engine)
    yield engine
    await engine.dispose()


async def sell(snippet: ModuleType, engine: AsyncEngine) -> None:
    """Store the items 1 to 3."""
    async with AsyncSession(engine) as session, session.begin():
        session.add_all(snippet.Item(id=number) for number in (1, 2, 3))


@asynccontextmanager
async def served(snippet: ModuleType, app: Any = None) -> AsyncIterator[Order]:
    """Give what orders items of a snippet's app, or of what stands before it."""
    each = aiohttp.TCPConnector(force_close=True)  # the server closes a connection after a 500
    async with (
        beside(app or snippet.app, timeout_graceful_shutdown=20) as server,
        aiohttp.ClientSession(server.url, connector=each) as client,
    ):
        assert (await client.get("/openapi.json")).status == 200  # so it has started
        state = snippet.app.state
        engine = state.session.bind if "session" in state else state.sessions.kw["bind"]
        pool = engine.pool
        assert (pool.size(), pool._max_overflow, pool._timeout) == (5, 5, 5)
        await sell(snippet, engine)

        async def order(items: list[int]) -> tuple[int, str]:
            async with client.post("/orders", json=items) as answer:
                return answer.status, await answer.text()

        yield order


def ordered(snippet: ModuleType, *orders: list[int]) -> list[tuple[int, Any]]:
    """Return the answers of a snippet's app to some orders."""

    async def answers() -> list[tuple[int, Any]]:
        async with served(snippet) as order:
            return [await order(items) for items in orders]

    return asyncio.run(answers())


def stored(snippet: ModuleType, database: str) -> list[Any]:
    """Return the items of the orders that are stored, the oldest first."""
    return column(database, f"SELECT item_id FROM {snippet.SCHEMA}.orders ORDER BY id")  # noqa: S608  known


@pytest.mark.holds(
    "A request that was refused leaves nothing: its session is closed without a commit.",
    "Open a session for each request",
    "An order that was refused is stored all the same, together with the next one.",
    "After a refused order, the commit of the next request stores what the refused one had added.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/own.py",
        dont(f"{FOLDER}/kept.py", "stored with the next one, the refused order of item 1"),
    ],
    indirect=True,
)
def test_a_refused_order_is_not_stored(snippet: ModuleType, database: str) -> None:
    refused, taken = ordered(snippet, [1, 9], [2])
    assert refused == (404, '{"detail":"no item 9"}')
    assert taken[0] == 201
    found = stored(snippet, database)
    assert found == [2], f"stored with the next one, the refused order of item {found[0]}"


@pytest.mark.holds(
    'Or the endpoint stores its order, and the request ends with "greenlet_spawn has not been called".',
    "The order is stored, and the client gets 500: reading order.id after the commit asks the database again.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/own.py",
        dont(f"{FOLDER}/expired.py", "the order of item 2 is stored, and answered 500"),
    ],
    indirect=True,
)
def test_a_stored_order_is_answered(snippet: ModuleType, database: str) -> None:
    ((status, text),) = ordered(snippet, [2])
    assert stored(snippet, database) == [2]
    assert status == 201, f"the order of item 2 is stored, and answered {status}"
    assert text == "[1]"


@pytest.mark.holds("A test whose orders are all good is green.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/kept.py"], indirect=True)
def test_good_orders_hide_what_is_kept(snippet: ModuleType, database: str) -> None:
    assert ordered(snippet, [1, 3], [2]) == [(201, "[1,2]"), (201, "[3]")]
    assert stored(snippet, database) == [1, 3, 2]


@pytest.mark.holds("A test that only looks at what is stored is green.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/expired.py"], indirect=True)
def test_what_is_stored_hides_what_is_expired(
    snippet: ModuleType, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = ordered(snippet, [2], [9], [])
    assert [status for status, _ in answers] == [500, 404, 201]
    assert "greenlet_spawn has not been called" in caplog.text
    assert stored(snippet, database) == [2]


@pytest.mark.holds('With scope="function" the session is closed before the answer is sent.')
@pytest.mark.parametrize("snippet", [f"{FOLDER}/own.py", f"{FOLDER}/expired.py"], indirect=True)
def test_the_session_is_closed_before_the_answer(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    close, steps = AsyncSession.close, list[str]()

    async def noted(session: AsyncSession) -> None:
        steps.append("closed")
        await close(session)

    async def before(scope: Any, receive: Any, send: Any) -> None:
        async def told(message: Any) -> None:
            steps.append(message["type"])
            await send(message)

        await snippet.app(scope, receive, told)

    async def ask() -> list[str]:
        async with served(snippet, before) as order:
            steps.clear()
            monkeypatch.setattr(AsyncSession, "close", noted)
            await order([2])
            await order([9])
            return steps.copy()

    answer = ["http.response.start", "http.response.body"]
    done = asyncio.run(ask())
    assert done == ["closed", *answer] * 2
    when = "before" if done.index("closed") < done.index(answer[0]) else "after"
    record_property("says", f"the session is closed {when} the answer is sent")


@pytest.mark.holds(
    "Give a stream Depends(get_session) without a scope: see Do: keep what a stream uses until its end.",
)
@pytest.mark.parametrize(
    ("session", "taken"),
    [(OWN.Session, 1), (Annotated[AsyncSession, Depends(get_session)], 0)],
)
def test_a_stream_keeps_its_session(database: str, session: Any, taken: int) -> None:
    app, used = FastAPI(), list[AsyncSession]()

    async def stream(session: Any) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            used.append(session)
            yield str(await session.scalar(text("SELECT 300")))

        return StreamingResponse(body())

    stream.__annotations__["session"] = session
    app.get("/orders")(stream)

    async def ask() -> tuple[str, int]:
        async with (
            OWN.lifespan(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
        ):
            answer = await client.get("/orders")  # it returns when the app has ended
            still = app.state.sessions.kw["bind"].pool.checkedout()
            await used[0].close()
            return answer.text, still

    assert asyncio.run(ask()) == ("300", taken)


@pytest.mark.holds(
    "A closed session that a stream or a background task uses again takes a connection, and only the garbage collector ends it.",
)
@pytest.mark.parametrize("streamed", [True, False])
def test_only_the_garbage_collector_ends_what_a_closed_session_takes(
    small: Postgres,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    streamed: bool,
) -> None:
    own, app = small.create(), FastAPI()
    monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg:{own}")
    counts = list[int]()

    async def read(session: AsyncSession) -> None:
        await session.scalar(text("SELECT 300"))
        counts.append(app.state.sessions.kw["bind"].pool.checkedout())

    @app.get("/orders", response_model=None)
    async def orders(session: Closed, tasks: BackgroundTasks) -> StreamingResponse | None:
        async def body() -> AsyncIterator[str]:
            await read(session)
            yield "300"

        if streamed:
            return StreamingResponse(body())
        tasks.add_task(read, session)
        return None

    async def ask() -> int:
        async with (
            OWN.lifespan(app),
            AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
        ):
            gc.disable()
            with warnings.catch_warnings(action="ignore"):  # it tells so, now or then
                try:
                    await client.get("/orders")
                finally:
                    gc.enable()
                gc.collect()
            return int(app.state.sessions.kw["bind"].pool.checkedout())

    assert asyncio.run(ask()) == 0
    assert counts == [1]
    assert "The garbage collector is trying to clean up" in caplog.text


@pytest.mark.holds(
    "The session has no connection before the first query, and none after the commit.",
    "A session without a transaction is an object in memory, so you can afford one for each request.",
)
def test_a_session_has_a_connection_during_its_transaction(
    database: str,
) -> None:
    async def connections() -> list[int]:
        async with filled(database) as engine:
            pool: Any = engine.pool
            async with async_sessionmaker(engine, expire_on_commit=False)() as session:
                used = [pool.checkedout()]
                await session.get(OWN.Item, 1)
                used.append(pool.checkedout())
                assert await OWN.place_orders([2], session) == [1]
                return [*used, pool.checkedout()]

    assert asyncio.run(connections()) == [0, 1, 0]


@pytest.mark.holds(
    "After the commit, an object is what it was",
    "expire_on_commit=False has a price: an object stays as it was at the commit, whatever other requests change.",
    "Begin a new transaction and call refresh where that matters.",
    "An UPDATE expires what the database calculates, such as onupdate=func.now(), even so.",
    "Set eager_defaults=True in the __mapper_args__ of such a table, and the UPDATE returns the value.",
)
@pytest.mark.parametrize("eager", ["auto", True])
def test_what_an_object_knows_after_the_commit(database: str, eager: Any) -> None:
    class Base(DeclarativeBase):
        pass

    class Invoice(Base):
        __tablename__ = "invoices"
        id: Mapped[int] = mapped_column(primary_key=True)
        cents: Mapped[int]
        changed: Mapped[str | None] = mapped_column(onupdate=func.now().op("::")(text("text")))
        __mapper_args__ = {"eager_defaults": eager}  # noqa: RUF012  as SQLAlchemy takes it

    async def change() -> None:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with async_sessionmaker(engine, expire_on_commit=False)() as session:
            session.add(invoice := Invoice(id=1, cents=100))
            await session.commit()
            async with engine.begin() as another:
                await another.execute(text("UPDATE invoices SET cents = 200"))
            assert (await session.get_one(Invoice, 1)).cents == 100
            await session.refresh(invoice)
            assert invoice.cents == 200
            invoice.cents = 300
            await session.commit()
            try:
                assert invoice.changed
            finally:
                await session.close()
                await engine.dispose()

    if eager is True:
        asyncio.run(change())
    else:
        with pytest.raises(MissingGreenlet):
            asyncio.run(change())


@pytest.fixture(scope="module")
def small() -> Iterator[Postgres]:
    """A server for 25 connections, whose commits wait for another one if they are told so."""
    with running(max_connections="36", synchronous_standby_names="nobody") as server:
        asyncio.run(server.tell("CREATE ROLE app LOGIN"))
        yield server


def fitting(snippet: ModuleType, database: str) -> int:
    """Return how many processes fit, as a snippet tells."""

    async def ask() -> int:
        engine = create_async_engine(database)
        number: int = await snippet.processes_that_fit(engine)
        await engine.dispose()
        return number

    return asyncio.run(ask())


def refused(database: str, processes: int, pool: dict[str, int], beside: int) -> str:
    """Let some processes open all that they may; return why one gets no connection."""

    async def fill() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(processes):
                engine = create_async_engine(database, **pool)
                stack.push_async_callback(engine.dispose)
                outside = create_async_engine(database, poolclass=NullPool)
                for each, number in ((engine, sum(pool.values())), (outside, beside)):
                    for _ in range(number):
                        await stack.enter_async_context(each.connect())

    try:
        asyncio.run(fill())
    except DBAPIError as error:
        return str(re.findall(f"{RESERVED}|$", str(error.orig))[0])
    return ""


RESERVED = "remaining connection slots are reserved"
UNCOUNTED = pytest.param(
    f"{FOLDER}/uncounted.py",
    marks=pytest.mark.xfail(  # it counts what a process opens on a quiet day
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match=f"one of 4 processes is told: {RESERVED}"),
    ),
)


@pytest.mark.holds(
    'Or a new process gets "remaining connection slots are reserved", though no pool of yours is used up.',
    "A pool belongs to one process, and the server knows only the sum.",
    "Look at the last line of processes_that_fit: a busy process opens max_overflow connections beyond its pool_size, and BESIDE outside its pool.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/counted.py", UNCOUNTED], indirect=True)
def test_so_many_processes_fit(snippet: ModuleType, small: Postgres, database: str) -> None:
    own = f"postgresql+asyncpg:{small.create()}".replace("postgres@", "app@")
    assert snippet.POOL == POOL
    number = fitting(snippet, own)
    said = refused(own, number, snippet.POOL, snippet.BESIDE)
    assert not said, f"one of {number} processes is told: {said}"
    assert refused(own, number + 1, snippet.POOL, snippet.BESIDE) == RESERVED


@pytest.mark.holds(
    "A server with PostgreSQL's default settings has room for 8 such processes.",
    "For the same server, this version finds room for 13 processes.",
)
@pytest.mark.parametrize(
    ("snippet", "number", "where"),
    [
        (f"{FOLDER}/counted.py", 8, "A server with PostgreSQL's default settings has"),
        (f"{FOLDER}/uncounted.py", 13, "this version finds"),
    ],
    indirect=["snippet"],
)
def test_how_many_processes_a_server_by_default_takes(
    snippet: ModuleType, database: str, number: int, where: str, record_property: Any
) -> None:
    found = fitting(snippet, database)
    assert found == number
    record_property("says", f"{where} room for {found} ")
    for unit in ("such", "processes"):
        record_property("figure", f"{found} {unit}")


@pytest.mark.holds(
    "On a quiet day all of them work, because a pool opens connections only as it needs them.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/uncounted.py"], indirect=True)
def test_a_quiet_day_hides_what_is_not_counted(
    snippet: ModuleType, small: Postgres, database: str
) -> None:
    own = f"postgresql+asyncpg:{small.create()}".replace("postgres@", "app@")
    number = fitting(snippet, own)
    assert not refused(own, number, {"pool_size": 1, "max_overflow": 0}, snippet.BESIDE)


@pytest.mark.holds(
    "An overflow connection is closed when it is given back, and the next busy moment opens another.",
)
def test_an_overflow_connection_is_closed(database: str) -> None:
    async def idle() -> tuple[int, set[int], set[int]]:
        engine = create_async_engine(database, pool_size=1, max_overflow=1)
        pool: Any = engine.pool
        seen = []
        for _ in range(2):
            async with engine.connect() as one, engine.connect() as other:
                pid = text("SELECT pg_backend_pid()")
                seen.append({await one.scalar(pid), await other.scalar(pid)})
        left = pool.checkedin()
        await engine.dispose()
        return left, seen[0], seen[1]

    left, before, after = asyncio.run(idle())
    assert left == 1
    assert len(before & after) == 1


@asynccontextmanager
async def locked(database: str, waiting: str = WAITING) -> AsyncIterator[Any]:
    """Hold the items, so that an order of one waits; give what tells once it does."""
    async with connected(database.replace("+asyncpg", "")) as connection:
        await connection.execute(f"BEGIN; SELECT FROM {OWN.SCHEMA}.items FOR UPDATE")

        async def one_waits() -> None:
            while not await connection.fetchval(waiting):
                pass  # until it does

        yield one_waits


@pytest.mark.holds(
    "A client that goes away cancels nothing in this app: FastAPI runs the endpoint to its end, and the order is stored.",
)
def test_a_client_that_goes_away_cancels_nothing(database: str) -> None:
    async def leave() -> None:
        async with served(OWN) as order:
            async with locked(database) as one_waits:
                request = asyncio.create_task(order([2]))
                await one_waits()
                request.cancel()
                await asyncio.wait([request])
            assert request.cancelled()

    asyncio.run(leave())
    assert stored(OWN, database) == [2]


async def cancelled(
    engine: AsyncEngine, one_waits: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Order an item, and reach the limit of a timeout around it once the order waits."""
    limit, pool = asyncio.timeout(None), engine.pool

    async def order() -> None:
        async with limit, async_sessionmaker(engine)() as session:
            await OWN.place_orders([2], session)

    request = asyncio.create_task(order())
    await one_waits()
    limit.reschedule(0)
    with pytest.raises(TimeoutError):
        await request
    assert pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pool that there is


@pytest.mark.holds(
    "A cancelled request leaves no connection behind",
    "A timeout around the call does cancel it.",
    "Until the server commits, a cancelled request leaves nothing: no order, no lock, and no connection in use.",
)
def test_a_request_that_is_cancelled_before_the_commit_leaves_nothing(database: str) -> None:
    async def cancel() -> None:
        async with filled(database) as engine:
            async with locked(database) as one_waits:
                await cancelled(engine, one_waits)
            async with engine.begin() as connection:
                await connection.execute(text(f"LOCK {OWN.SCHEMA}.orders NOWAIT"))

    asyncio.run(cancel())
    assert stored(OWN, database) == []


DEFERRED = f"""
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {OWN.SCHEMA}.orders
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
SELECT pg_advisory_lock(1)
"""


@pytest.mark.holds(
    "While the server commits, the order is stored or it isn't: the request is cancelled the same way.",
)
@pytest.mark.parametrize(
    ("prepare", "waiting", "found"), [(DEFERRED, WAITING, []), ("SELECT 1", SYNCED, [2])]
)
def test_a_request_that_is_cancelled_in_the_commit_may_be_stored(
    small: Postgres, database: str, prepare: str, waiting: str, found: list[int]
) -> None:
    own = f"postgresql+asyncpg:{small.create()}"

    async def cancel() -> None:
        async with filled(own), connected(own.replace("+asyncpg", "")) as other:
            await other.execute(prepare)

            async def one_waits() -> None:
                while not await other.fetchval(waiting):
                    pass  # until it does

            settings = {"server_settings": {"synchronous_commit": "on"}}
            engine = create_async_engine(own, connect_args=settings)
            await cancelled(engine, one_waits)
            await engine.dispose()

    asyncio.run(cancel())
    assert stored(OWN, own) == found


@pytest.mark.holds(
    "A connection can die while nobody uses it",
    "After a restart of the database server, all idle connections of a pool are dead.",
    "With pool_pre_ping=True the next request after it doesn't notice: SQLAlchemy asks each connection before it lends it, and replaces a dead one.",
    "Without it, at least one request gets 500.",
)
@pytest.mark.parametrize(("pinged", "statuses"), [(True, [201, 201]), (False, [500, 201])])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/own.py"], indirect=True)
def test_a_connection_that_died_is_replaced(
    snippet: ModuleType,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    pinged: bool,
    statuses: list[int],
    record_property: Any,
) -> None:
    def create(url: str, *, pool_pre_ping: bool, **options: Any) -> AsyncEngine:
        assert (pool_pre_ping, options) == (True, {"connect_args": snippet.WAITS, **snippet.POOL})
        return create_async_engine(url, pool_pre_ping=pinged, **options)

    monkeypatch.setattr(snippet, "create_async_engine", create)

    async def ask() -> list[int]:
        async with served(snippet) as order:
            assert (await order([1]))[0] == 201
            await killed(database)
            return [(await order([2]))[0], (await order([3]))[0]]

    found = asyncio.run(ask())
    assert found == statuses
    if failed := [status for status in found if status >= 500]:
        record_property("says", f"at least {NUMBERS[len(failed)]} request gets {failed[0]}")


async def killed(database: str, which: str = "true") -> None:
    """End the other connections to a database, or some of them; return when they are gone."""
    async with connected(database.replace("+asyncpg", "")) as other:
        assert set(await other.fetch(OTHERS + which)) == {(True,)}
        while await other.fetch(OTHERS + which):
            pass  # until they are gone


class Line:
    """What stands between a client and its server, and can go silent."""

    def __init__(self, database: str) -> None:
        self.port = make_url(database).port
        self.silent, self.asked = False, asyncio.Event()
        self.clients = list[asyncio.StreamWriter]()

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what comes, and when it is silent drop it."""
        while data := await source.read(65536):
            if self.silent:
                self.asked.set()
            else:
                sink.write(data)
        if self.asked.is_set():
            sink.write(b"X\0\0\0\4")  # the client has gone: let the server know
        sink.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to the server."""
        self.clients.append(writer)
        answers, questions = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self.pump(reader, questions), self.pump(answers, writer))


@pytest.mark.holds(
    "If the server takes that question and gives no answer, command_timeout ends the wait, and pool_timeout doesn't: the request fails, and the next gets a new connection.",
    "Give each wait a limit: pool_timeout for a place in the pool, asyncpg's timeout for a new connection, and its command_timeout for a statement.",
)
@pytest.mark.parametrize(("removed", "ended"), [(None, True), ("command_timeout", False)])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/own.py"], indirect=True)
def test_a_silent_server_is_left(
    snippet: ModuleType,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    removed: str | None,
    ended: bool,
    record_property: Any,
) -> None:
    assert snippet.WAITS == {"timeout": 2, "command_timeout": 5}
    assert snippet.POOL["pool_timeout"] == 5
    snippet.WAITS.pop(removed, None)
    said = list[str]()

    async def read(engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def ask() -> bool:
        loop, line = asyncio.get_running_loop(), Line(database)
        real, minutes = loop.time, iter(range(0, 10**9, 60))
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("DATABASE_URL", database.replace(f":{line.port}/", f":{port}/"))
        async with server, snippet.opened() as engine:
            line.silent = True
            request = asyncio.create_task(read(engine))
            await line.asked.wait()
            for _ in range(60):  # an hour of this loop's clock
                now = next(minutes)
                monkeypatch.setattr(loop, "time", lambda now=now: real() + now)
                await asyncio.sleep(clock.POLL)  # a turn, in which timers fire
            ended = request.done()
            line.silent = False
            for client in line.clients:
                client.close()
            said.extend(
                type(each).__name__
                for each in await asyncio.gather(request, return_exceptions=True)
            )
            await read(engine)
            assert engine.pool.checkedout() == 0
        return ended

    ends = asyncio.run(ask())
    assert ends is ended
    if removed and not ends:  # though this one is still there
        (left,) = (name for name in snippet.POOL if name.endswith("timeout"))
        record_property("says", f"{removed} ends the wait, and {left} doesn't")
    assert said == ["TimeoutError" if ended else "NoneType"]


@pytest.mark.holds(
    "A connection that dies inside a transaction is no longer mended, and its request fails.",
    "Nothing is stored then, unless the connection dies in the commit: then look for the order before you store it again.",
)
def test_a_connection_that_dies_in_a_transaction_is_not_replaced(database: str) -> None:
    async def ask() -> int:
        async with served(OWN) as order:
            async with locked(database) as one_waits:
                request = asyncio.create_task(order([2]))
                await one_waits()
                await killed(database, "wait_event_type = 'Lock'")
            return (await request)[0]

    assert asyncio.run(ask()) == 500
    assert stored(OWN, database) == []


@pytest.mark.holds(
    "Nothing is stored then, unless the connection dies in the commit: then look for the order before you store it again.",
)
def test_a_connection_that_dies_in_the_commit_may_have_stored(
    small: Postgres, database: str
) -> None:
    own = f"postgresql+asyncpg:{small.create()}"

    async def order() -> None:
        settings = {"server_settings": {"synchronous_commit": "on"}}
        engine = create_async_engine(own, connect_args=settings)
        async with async_sessionmaker(engine)() as session:
            await OWN.place_orders([2], session)

    async def kill() -> None:
        async with filled(own), connected(own.replace("+asyncpg", "")) as other:
            request = asyncio.create_task(order())
            while not await other.fetchval(SYNCED):
                pass  # until it commits
            await killed(own, "wait_event = 'SyncRep'")
            with pytest.raises(DBAPIError):
                await request

    asyncio.run(kill())
    assert stored(OWN, own) == [2]


OLDER = """
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import sessionmaker

engine = create_async_engine("postgresql+asyncpg://")
sessions = sessionmaker(engine, class_=AsyncSession)
"""


@pytest.mark.holds(
    "Older guides call sessionmaker with class_=AsyncSession, which runs, and mypy refuses it with call-overload.",
)
def test_mypy_refuses_the_sessionmaker_of_older_guides(database: str, tmp_path: Path) -> None:
    module, names = tmp_path / "older.py", dict[str, Any]()
    module.write_text(OLDER)
    exec(OLDER, names)  # noqa: S102  it stands above

    async def ask() -> Any:
        engine = create_async_engine(database)
        async with names["sessions"](bind=engine) as session:
            found = await session.scalar(text("SELECT 1"))
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == 1
    told = subprocess.run(["mypy", module], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r":(\d+): error: .*\[(.*)\]", told) == [("6", "call-overload")]


@pytest.mark.holds(
    "The service limits each wait for a connection",
    "A request that gets no connection in time is answered 503, and so is a request when the server takes no more connections.",
)
@pytest.mark.service(
    "tests/test_outage.py::TestSlow::test_a_full_pool_is_answered_503",
    "tests/test_outage.py::TestFull::test_requests_are_answered_503",
)
@pytest.mark.proves("service/src/accounts/database.py")
def test_the_service_limits_each_wait(
    service: Callable[[], None], record_property: Callable[[str, object], None]
) -> None:
    service()
    told = (SERVICE / "tests/test_outage.py").read_text()
    for name in ("a_full_pool_is_answered", "requests_are_answered"):
        body = told.partition("class TestSlow")[2].partition(f"def test_{name}")[2]
        record_property("figure", body.partition("status_code == ")[2][:3])


@pytest.mark.holds(
    "Behind a pooler, each transaction is told its limits anew",
    "The service sets its limits at the start of each transaction, where direct_database_url tells it of a pooler:",
    "Set asyncpg's statement_cache_size=0 where the pooler keeps no prepared statements: without it, a query fails with InvalidSQLStatementNameError.",
    "Let streams connect to direct_database_url.",
)
@pytest.mark.service(
    "tests/test_waits.py::test_each_connection_has_limits_and_a_name",
    "tests/test_waits.py::test_a_statement_of_another_connection_is_known_behind_no_pooler",
    "tests/test_waits.py::test_streams_and_probe_know_the_way_past_a_pooler",
)
@pytest.mark.proves("service/src/accounts/database.py")
def test_the_service_knows_a_pooler(service: Callable[[], None]) -> None:
    service()
    assert "statement_cache_size=0 if pooled" in (SERVICE / "src/accounts/database.py").read_text()
    assert "InvalidSQLStatementNameError" in (SERVICE / "tests/test_waits.py").read_text()


@pytest.mark.holds(
    "The service has this test, which finds two more: one listens for events, and the other answers /readyz.",
)
@pytest.mark.service(
    "tests/test_waits.py::test_a_server_process_takes_two_connections_beside_its_pool"
)
@pytest.mark.proves("service/tests/test_waits.py")
def test_the_service_counts_its_connections(service: Callable[[], None]) -> None:
    service()
