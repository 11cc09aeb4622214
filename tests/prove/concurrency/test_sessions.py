"""What the page on sessions claims."""

import asyncio
import runpy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import ForeignKey, create_engine, event, orm, select, text
from sqlalchemy.exc import InvalidRequestError, LegacyAPIWarning
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules

FOLDER = "concurrency/sessions"
WAIT = "pg_advisory_xact_lock_shared(1)"  # in place of a slow query: until the test lets go
LOCKED_OUT = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


INSTRUCTIONS = [
    "Open a session in each task that runs beside another: pass the async_sessionmaker to the task, not a session.",
    "If you don't know whether two queries run at once, run one after the other.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't: share a session between tasks",
    "Don't trust a green test",
    "Create the engine and the async_sessionmaker once, in the lifespan, as snippets/service/src/accounts/main.py does.",
    "Use the session that a dependency gives to an endpoint in that endpoint alone, not in its tasks.",
    "End the request's own transaction before the tasks start, so that it gives its connection back.",
    "Limit how many tasks ask for a connection.",
]


JUDGEMENTS = [
    "We call the object through which a request speaks to the database a session: it has a connection for one transaction at a time.",
]


class Base(orm.DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    posts: orm.Mapped[list["Post"]] = orm.relationship()


class Post(Base):
    __tablename__ = "posts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    user_id: orm.Mapped[int] = orm.mapped_column(ForeignKey("users.id"))


async def summary(snippet: ModuleType, database: str, **options: Any) -> Any:
    """Return what a snippet gave on an engine of its own."""
    engine = create_async_engine(database, **options)
    try:
        return await snippet.summary(async_sessionmaker(engine))
    finally:
        await engine.dispose()


def waiting(query: Any) -> Any:
    """Return a slow query that waits for the test instead."""
    assert "pg_sleep(0.3)" in query.text
    return text(query.text.replace("pg_sleep(0.3)", WAIT))


async def together(snippet: ModuleType, database: str) -> tuple[Any, int]:
    """Return what a snippet gives on a warm pool, and how many of its queries ran at once."""
    engine, asked = create_async_engine(database), []
    sessions = async_sessionmaker(engine)
    async with sessions() as one, sessions() as other, sessions() as holder:
        for session in one, other, holder:
            await session.execute(text("SELECT 1"))
        await holder.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await one.rollback()
        await other.rollback()
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told))
        found = asyncio.create_task(snippet.summary(sessions))
        await clock.until(lambda: len(asked) == 2)
        pool: Any = engine.pool
        ran = pool.checkedout() - 1  # a connection runs one query at a time
        while await holder.scalar(LOCKED_OUT) < ran:
            pass  # until they run
    summary = await found
    await engine.dispose()
    return summary, ran


@pytest.mark.holds(
    "Give each task its own session",
    'Two queries of one request run at once, and some requests fail with "This session is provisioning a new connection; concurrent operations are not permitted".',
    "Here both tasks get the session of the caller.",
    "The first task was still fetching the connection when the second task asked for it.",
    "Look at count: each task opens a session and closes it.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/separate.py",
        pytest.param(
            f"{FOLDER}/shared.py",
            marks=pytest.mark.xfail(  # the session is asked for a connection twice at once
                strict=True,
                raises=pytest.RaisesGroup(
                    pytest.RaisesExc(InvalidRequestError, match="provisioning a new connection")
                ),
            ),
        ),
    ],
    indirect=True,
)
@pytest.mark.parametrize("options", [{}, {"poolclass": NullPool}, {"pool_pre_ping": True}])
def test_two_queries_run_at_once(
    snippet: ModuleType,
    database: str,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snippet, "COUNT", waiting(snippet.COUNT))  # for no one, so it is quick
    assert asyncio.run(summary(snippet, database, **options)) == (12, 345)


@pytest.mark.holds(
    "Both queries run at once, on two connections.",
    "The tasks share a session here too, but the session has its connection before they start.",
    "Nothing is raised and the answer is right, but the queries ran one after the other.",
    "A connection of PostgreSQL runs one statement at a time, so two tasks on one session gain nothing where it works.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/separate.py",
        pytest.param(
            f"{FOLDER}/serial.py",
            marks=pytest.mark.xfail(  # one connection runs one statement at a time
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="as long as one after the other"),
            ),
        ),
    ],
    indirect=True,
)
def test_two_queries_take_less_than_one_after_the_other(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "COUNT", waiting(snippet.COUNT))
    found, ran = asyncio.run(together(snippet, database))
    assert found == (12, 345)
    assert ran == 2, "they took as long as one after the other"


@pytest.mark.parametrize(
    ("snippet", "took", "less"),
    [
        (f"{FOLDER}/separate.py", 0.599, True),
        (f"{FOLDER}/serial.py", 0.6, False),
        (f"{FOLDER}/separate.py", 0.6, False),
        (f"{FOLDER}/serial.py", 0.599, True),
    ],
    indirect=["snippet"],
)
def test_it_prints_whether_that_is_less_than_two_queries_take(
    snippet: ModuleType,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took: float,
    less: bool,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(snippet, "COUNT", waiting(snippet.COUNT))
    clock.stopwatch(snippet, monkeypatch, took)
    asyncio.run(snippet.main())
    assert capsys.readouterr().out == f"(12, 345)\nless than one after the other: {less}\n"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/separate.py"], indirect=True)
def test_a_query_that_fails_stops_the_other(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = list[int]()

    async def count(_: object, rows: int) -> int:
        try:
            if rows == 345:
                raise LookupError
            return await asyncio.Event().wait()
        finally:
            ended.append(rows)

    monkeypatch.setattr(snippet, "count", count)
    with pytest.RaisesGroup(LookupError):
        clock.run(snippet.summary(None))
    assert sorted(ended) == [12, 345]


@pytest.mark.holds(
    "The same code is green in the tests.",
    "An earlier query that has warmed the pool hides the fault, so a test is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_a_warm_pool_hides_the_fault(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "COUNT", waiting(snippet.COUNT))
    assert asyncio.run(together(snippet, database)) == ((12, 345), 1)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/empty_pool.py"], indirect=True)
def test_one_task_runs_its_queries_in_one_session(snippet: ModuleType, database: str) -> None:
    ran: list[str] = []

    async def patiently() -> None:
        engine = create_async_engine(database)
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: ran.append(told[2]))
        await snippet.patient(async_sessionmaker(engine))
        await engine.dispose()

    asyncio.run(patiently())
    assert ran == ["SELECT 1", "SELECT 2"]


@pytest.mark.holds(
    "The error comes when the pool has no idle connection to give: in a new process, or while all connections are in use.",
    "With pool_pre_ping=True it comes each time that the session isn't connected yet.",
    "A connection older than pool_recycle is opened anew, and the error comes.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
@pytest.mark.parametrize(
    ("options", "busy"),
    [({"pool_pre_ping": True}, False), ({"pool_recycle": 0}, False), ({}, True)],
)
def test_a_warm_pool_shows_it_where_it_has_no_idle_connection_at_once(
    snippet: ModuleType, database: str, options: dict[str, Any], busy: bool
) -> None:
    async def after_a_query() -> None:
        engine = create_async_engine(database, **options)
        sessions = async_sessionmaker(engine)
        try:
            async with sessions() as session:
                await session.execute(text("SELECT 1"))
                if not busy:
                    await session.rollback()
                await snippet.summary(sessions)
        finally:
            await engine.dispose()

    provisioning = pytest.RaisesExc(InvalidRequestError, match="provisioning a new connection")
    with pytest.RaisesGroup(provisioning):
        asyncio.run(after_a_query())


@pytest.mark.holds(
    "A test sees a shared session if its pool is empty.",
    "Give the engine under test NullPool, and each session starts without a connection:",
    "The test doesn't see a session that is connected already, as in serial.py.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/empty_pool.py"], indirect=True)
def test_an_empty_pool_shows_only_a_session_that_is_not_connected(
    snippet: ModuleType, database: str
) -> None:
    async def broken(_: object) -> None:
        raise InvalidRequestError

    async def warmed(sessions: object) -> None:
        await snippet.patient(sessions)
        await snippet.hasty(sessions)

    shared, serial = (
        runpy.run_path(str(SNIPPETS / FOLDER / name))["summary"]
        for name in ("shared.py", "serial.py")
    )
    for work in shared, serial:
        work.__globals__["COUNT"] = waiting(work.__globals__["COUNT"])
    assert asyncio.run(snippet.shares_a_session(shared))
    assert asyncio.run(snippet.shares_a_session(warmed))
    assert not asyncio.run(snippet.shares_a_session(serial))
    with pytest.RaisesGroup(InvalidRequestError):
        asyncio.run(snippet.shares_a_session(broken))


@pytest.mark.holds(
    "No rule of Ruff sees the fault.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py", f"{FOLDER}/serial.py"], indirect=True)
def test_no_rule_sees_it(snippet: ModuleType) -> None:
    dont = Path(str(snippet.__file__))
    assert not rules.found_only_in(dont, dont.with_name("separate.py"))


@pytest.mark.holds(
    "A session takes a connection from the pool at its first query, and gives it back at the end of its transaction.",
    "Two queries at once take two connections",
)
def test_a_session_holds_a_connection_while_its_transaction_lasts(database: str) -> None:
    async def connections() -> list[int]:
        engine = create_async_engine(database)
        pool: Any = engine.pool
        async with AsyncSession(engine) as session:
            used = [pool.checkedout()]
            await session.execute(text("SELECT 1"))
            used.append(pool.checkedout())
            await session.commit()
            used.append(pool.checkedout())
        await engine.dispose()
        return used

    assert asyncio.run(connections()) == [0, 1, 0]


@pytest.mark.holds(
    "Requests that hold all connections and ask for another wait for each other until the pool gives up.",
)
@pytest.mark.parametrize("ends", [True, False])
def test_requests_that_ask_for_a_second_connection_wait_for_each_other(
    database: str, ends: bool
) -> None:
    engine = create_async_engine(database, pool_size=2, max_overflow=0, pool_timeout=0.05)

    async def request(all_here: asyncio.Barrier) -> None:
        async with AsyncSession(engine) as own:
            await own.execute(text("SELECT 1"))
            await all_here.wait()
            if ends:
                await own.commit()
                await all_here.wait()
            try:
                async with AsyncSession(engine) as another:
                    await another.execute(text("SELECT 1"))
            except PoolTimeoutError:
                await all_here.wait()  # or the first that fails gives its own to the other
                raise

    async def two() -> list[Any]:
        all_here = asyncio.Barrier(2)
        both = request(all_here), request(all_here)
        raised = await asyncio.gather(*both, return_exceptions=True)
        await engine.dispose()
        return [error and type(error) for error in raised]

    assert asyncio.run(two()) == [None if ends else PoolTimeoutError] * 2


@pytest.mark.holds(
    "A task doesn't see what the request hasn't committed: its session is another transaction.",
    "They share a transaction too: a rollback in one task takes back what the other did.",
)
def test_a_session_is_one_transaction_and_two_are_two(database: str) -> None:
    add, count = text("INSERT INTO posts VALUES (1)"), text("SELECT count(*) FROM posts")

    async def counts() -> list[int | None]:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE posts (id integer)"))
        async with AsyncSession(engine) as session, AsyncSession(engine) as another:
            await session.execute(add)
            found = [await session.scalar(count), await another.scalar(count)]
            added = asyncio.Event()

            async def give_up() -> None:
                await added.wait()
                await session.rollback()

            async with asyncio.TaskGroup() as tasks:
                rolled_back = tasks.create_task(give_up())
                await session.execute(add)
                added.set()
                await rolled_back
                await session.commit()
            found.append(await another.scalar(count))
        await engine.dispose()
        return found

    assert asyncio.run(counts()) == [1, 0, 0]


@pytest.mark.holds(
    "Often no second task is needed.",
    "A join asks the database once.",
    "sqlalchemy.orm.selectinload asks once more for each 500 rows, on the same connection.",
)
def test_related_rows_need_one_connection(database: str) -> None:
    async def statements(option: Any, rows: int = 1) -> int:
        engine, asked = create_async_engine(database, pool_size=1, max_overflow=0), 0

        def note(*_: object) -> None:
            nonlocal asked
            asked += 1

        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session, session.begin():
            session.add_all(User(id=row, posts=[Post(id=-row)]) for row in range(rows))
        async with AsyncSession(engine) as session:
            event.listen(engine.sync_engine, "before_cursor_execute", note)
            users = (await session.scalars(select(User).options(option))).unique().all()
            assert {(user.id, post.id) for user in users for post in user.posts} == {
                (row, -row) for row in range(rows)
            }
        await engine.dispose()
        return asked

    assert asyncio.run(statements(orm.joinedload(User.posts))) == 1
    for rows, asked in ((1, 2), (500, 2), (501, 3)):
        assert asyncio.run(statements(orm.selectinload(User.posts), rows)) == asked


def test_postgresql_stops_a_query_at_its_limit(database: str) -> None:
    """Hold what the page on timeouts says of the database."""
    slow = text("SELECT pg_sleep(50)")
    running = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")

    async def stop() -> None:
        engine = create_async_engine(database, isolation_level="AUTOCOMMIT")
        limit = asyncio.timeout(None)

        async def ask() -> None:
            async with limit, engine.connect() as connection:
                await connection.execute(slow)

        async def see(wanted: int) -> None:
            async with engine.connect() as connection, asyncio.timeout(20):
                while await connection.scalar(running) != wanted:
                    pass

        call = asyncio.create_task(ask())
        await see(1)
        limit.reschedule(0)
        with pytest.raises(TimeoutError):
            await call
        await see(0)
        await engine.dispose()

    asyncio.run(stop())


@pytest.mark.holds(
    "AsyncSession has no query: the call of older guides raises AttributeError.",
)
def test_the_session_of_the_legacy_api_is_not_the_asynchronous_one(database: str) -> None:
    engine = create_async_engine(database)
    with pytest.raises(AttributeError, match="no attribute 'query'"):
        AsyncSession(engine).query  # type: ignore[attr-defined]  # noqa: B018  that is the claim


@pytest.mark.holds(
    "On a synchronous session, sqlalchemy.orm.Query.get is legacy, and sqlalchemy.orm.Session.get takes its place.",
)
def test_the_get_of_the_legacy_api_warns() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session, pytest.warns(LegacyAPIWarning, match=r"Session\.get"):
        assert session.query(User).get(1) is session.get(User, 1)
    engine.dispose()


@pytest.mark.holds(
    "The service opens its engine and its sessions once, and closes them after the last request:",
)
@pytest.mark.service("tests/test_handlers.py::test_a_created_user_can_be_read")
@pytest.mark.proves("service/src/accounts/main.py")
def test_the_service_opens_its_sessions_once(service: Callable[[], None]) -> None:
    service()
