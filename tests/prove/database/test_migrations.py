"""What the page on migrations claims."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from alembic import command
from alembic.config import CommandLine, Config
from sqlalchemy import (
    CheckConstraint,
    Column,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import service as accounts
from tests.parts.pooler import running
from tests.parts.postgres import Postgres, connected
from tests.parts.system import missing

FOLDER = "database/migrations"
BASE = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE users (id integer PRIMARY KEY, name varchar(100) NOT NULL)")
"""
ADD = "INSERT INTO users (id, name) SELECT n, 'Ann' FROM generate_series({}, {}) AS n"
WAITS = (SNIPPETS / FOLDER / "waits.sql").read_text()
HELD = """
CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    RETURN NEW;
END $$;
CREATE TRIGGER held BEFORE UPDATE ON users
FOR EACH ROW WHEN (OLD.id = 1500) EXECUTE FUNCTION held()
"""


INSTRUCTIONS = [
    "Let each migration leave a schema that both the release that runs and the next release can use, and let it wait for a lock for some seconds at most.",
    "If you don't know whether a change is safe, let Squawk read its SQL before a database does.",
    "Add the new column beside the old column, and leave the old column as it is.",
    "Install alembic and sqlalchemy, and put the file into Alembic's folder of versions.",
    "In each migration of this page, give revision an id of your own, and down_revision the id of your last migration.",
    "Don't: rename a column in one step",
    "Do: limit how long a migration waits for a lock",
    "Give the engine in Alembic's env.py a lock_timeout.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Call create_engine() in the env.py of Alembic's async template in place of the engine that it creates.",
    "Run it again when the report is done.",
    "Don't let a migration wait as long as it takes",
    "Ask PostgreSQL who waits for whom",
    "Do: fill a column in batches",
    "Begin when a trigger copies each write from name, or when each process writes both columns.",
    "Don't: fill all rows in one transaction",
    "Do: build an index while others write",
    "Don't: build an index in a transaction",
    "Set the timeout, and let each migration be a transaction of its own, as snippets/service/alembic/env.py does.",
    "Build each index without that limit, as snippets/service/alembic/versions/rev_0008_index_backlog.py does.",
    "Add the column before the new release starts, with a trigger that copies each write from one column into the other, and then fill the old rows.",
    "Drop the trigger and the old column in a later release, when no process reads or writes the old column.",
    "Let Squawk read the SQL of the migrations that no database has run yet:",
    "Install squawk-cli, and run alembic upgrade 0005:head --sql > new.sql && squawk --config squawk.toml new.sql with your own last revision.",
    "Compare the models with the migrations",
    "Run the migrations on an empty database in a test, and expect an empty list:",
]


JUDGEMENTS = [
    "We call one change of the schema, written as a file that a tool runs once, a migration.",
]


@pytest.fixture
def alembic(database: str, tmp_path: Path) -> Config:
    """Alembic with its asynchronous template, on a database with a table of users."""
    config = Config()
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    config.set_main_option("sqlalchemy.url", database)
    config.config_file_name = str(tmp_path / "alembic.ini")
    command.init(config, str(tmp_path / "migrations"), template="async")
    config.config_file_name = None
    (tmp_path / "migrations/versions/base.py").write_text(BASE)
    command.upgrade(config, "0001")
    return config


def plant(config: Config, snippet: ModuleType) -> Path:
    """Put a snippet where Alembic looks for migrations, and return the file."""
    file = Path(str(config.get_main_option("script_location")), "versions/next.py")
    file.write_text(f"from {snippet.__name__} import down_revision, revision, upgrade\n")
    return file


async def queue(connection: Any) -> set[tuple[int, int]]:
    """Return who waits for whom in the database, as the page's query tells it."""
    rows = await connection.fetch(WAITS)
    return {(row["pid"], other) for row in rows for other in row["waits_for"]}


async def someone(connection: Any, *, behind: int) -> int:
    """Return the process that waits for another, once there is one."""
    while True:
        found = {pid for pid, other in await queue(connection) if other == behind}
        if found:
            return found.pop()


async def answered(connection: Any, query: str, watch: Any, *, behind: int) -> bool:
    """Tell whether a query ends, and not the wait for a process that doesn't end before it."""
    pid = connection.get_server_pid()
    asked = asyncio.create_task(connection.execute(query))
    while not asked.done():
        if (pid, behind) in await queue(watch):
            asked.cancel()
            await asyncio.wait({asked})
            return False
    await asked
    return True


@asynccontextmanager
async def clients(database: str, count: int) -> AsyncIterator[list[Any]]:
    """Connect as some clients at once."""
    address, opened = database.replace("+asyncpg", ""), list[Any]()
    try:
        for _ in range(count):
            opened.append(await asyncpg.connect(address))
        yield opened
    finally:
        for connection in opened:
            await connection.close()


@pytest.mark.holds(
    "Change a schema while the service runs",
    "A release gives a column another name.",
    'While it goes out, the old processes still run, and each query of theirs that names it fails with column "name" does not exist.',
    "The release that runs goes on with name.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/expand.py",
        pytest.param(
            f"{FOLDER}/rename.py",
            marks=pytest.mark.xfail(  # the release that runs asks for the old name
                strict=True,
                raises=pytest.RaisesExc(
                    asyncpg.UndefinedColumnError, match='column "name" does not exist'
                ),
            ),
        ),
    ],
    indirect=True,
)
def test_the_release_that_runs_goes_on(snippet: ModuleType, alembic: Config, database: str) -> None:
    async def old() -> list[Any]:
        async with connected(database.replace("+asyncpg", "")) as connection:
            named = await connection.fetch("SELECT name FROM users WHERE name = 'Ann'")
            await connection.execute(ADD.format(1, 1))
            return list(named)

    plant(alembic, snippet)
    command.upgrade(alembic, "head")
    assert asyncio.run(old()) == []


@pytest.mark.holds(
    "In each process of that release the next SELECT * fails, and so does each that runs beside it: name the columns of a query.",
)
@pytest.mark.parametrize("beside", [1, 2])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/expand.py"], indirect=True)
def test_a_query_of_all_columns_fails_until_one_has_failed(
    snippet: ModuleType, alembic: Config, database: str, beside: int
) -> None:
    every_column: Any = text("SELECT * FROM users")
    named = select(Table("users", MetaData(), Column("id", Integer), Column("name", String)))
    plant(alembic, snippet)

    async def old() -> list[str]:
        engine, said = create_async_engine(database), list[str]()
        for query in (every_column, named):
            async with AsyncExitStack() as both:
                used = [await both.enter_async_context(engine.connect()) for _ in range(2)]
                for connection in used:
                    await connection.execute(query)
        await asyncio.to_thread(command.upgrade, alembic, "head")
        for count, query in ((1, named), (beside, every_column), (3, every_column), (1, named)):
            ready = asyncio.Barrier(count)

            async def ask(query: Any = query, ready: Any = ready) -> str:
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT 1"))  # so that it has begun
                    await ready.wait()
                    try:
                        return ",".join((await connection.execute(query)).keys())
                    except DBAPIError as error:
                        return type(error.orig and error.orig.__cause__).__name__

            said += await asyncio.gather(*(ask() for _ in range(count)))
        await engine.dispose()
        return said

    known, every = "id,name", "id,name,display_name"
    fails = ["InvalidCachedStatementError"] * beside
    assert asyncio.run(old()) == [known, *fails, *[every] * 3, known]


@pytest.mark.holds(
    "The tests of the new release are green: they run on the new schema, without the release before.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/rename.py"], indirect=True)
def test_the_new_release_is_green_alone(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    plant(alembic, snippet)
    command.upgrade(alembic, "head")

    async def new() -> list[Any]:
        async with connected(database.replace("+asyncpg", "")) as connection:
            await connection.execute("INSERT INTO users (id, display_name) VALUES (1, 'Ann')")
            return [row[0] for row in await connection.fetch("SELECT display_name FROM users")]

    assert asyncio.run(new()) == ["Ann"]


WAITING = pytest.param(
    f"{FOLDER}/unlimited.py",
    marks=pytest.mark.xfail(  # nothing ends its wait but the report
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="a reader waits for the migration"),
    ),
)


@pytest.mark.holds(
    "After 3 seconds at one lock, a migration in a transaction gives up with LockNotAvailableError and changes nothing, and the readers go on.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/limited.py", WAITING], indirect=True)
def test_readers_are_answered_while_a_report_runs(
    snippet: ModuleType,
    alembic: Config,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    if hasattr(snippet, "LIMITS"):
        assert snippet.LIMITS == {"lock_timeout": "3s"}
        record_property("figure", snippet.LIMITS["lock_timeout"].replace("s", " seconds"))
        monkeypatch.setattr(snippet, "LIMITS", {"lock_timeout": "50ms"})

    async def migrate(engine: Any, ended: list[str]) -> None:
        async with engine.begin() as connection:
            try:
                await connection.execute(text("ALTER TABLE users ADD COLUMN age integer"))
            except DBAPIError as error:
                ended.append(type(error.orig and error.orig.__cause__).__name__)
                raise

    async def read() -> None:
        ended, engine = list[str](), snippet.create_engine()
        async with engine.connect() as connection:
            limit = await connection.scalar(text("SHOW lock_timeout"))
        async with clients(database, 3) as (report, reader, watch):
            await report.execute("BEGIN; SELECT count(*) FROM users")
            migration = asyncio.create_task(migrate(engine, ended))
            if limit == "0":  # it waits as long as the report takes
                pid = await someone(watch, behind=report.get_server_pid())
                free = await answered(reader, "SELECT FROM users", watch, behind=pid)
                await report.execute("COMMIT")
                await migration
                assert free, "a reader waits for the migration, which waits for a report"
            await reader.execute("SELECT FROM users")  # at the latest when that has given up
            with pytest.raises(DBAPIError):
                await migration
            assert ended == ["LockNotAvailableError"]
            await report.execute("COMMIT")
            await migrate(engine, ended)  # it can be run again

    asyncio.run(read())


SLOW = """
CREATE FUNCTION slow(integer) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = 0 AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    RETURN $1;
END $$
"""


@pytest.mark.holds(
    "lock_timeout ends the wait, not the work: a migration that rewrites the table stops each reader until it ends.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/limited.py"], indirect=True)
def test_a_migration_that_works_is_not_limited(
    snippet: ModuleType, alembic: Config, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snippet, "LIMITS", {"lock_timeout": "50ms"})

    async def rewrite() -> tuple[bool, bool]:
        engine = snippet.create_engine()
        async with clients(database, 3) as (holder, reader, watch), engine.begin() as migration:
            await holder.execute(SLOW + ";" + ADD.format(1, 1))
            await holder.execute("SELECT pg_advisory_lock(1)")
            alter = "ALTER TABLE users ALTER COLUMN id TYPE bigint USING slow(id)"
            rewriting = asyncio.create_task(migration.execute(text(alter)))
            pid = await someone(watch, behind=holder.get_server_pid())
            free = await answered(reader, "SELECT FROM users", watch, behind=pid)
            with pytest.raises(DBAPIError, match="canceling statement due to lock timeout"):
                await read(engine)  # it began later, with the same limit
            done = rewriting.done()
            await holder.execute("SELECT pg_advisory_unlock(1)")
            await rewriting
            return free, done

    async def read(engine: Any) -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT FROM users"))

    assert asyncio.run(rewrite()) == (False, False)


FILLING = pytest.param(
    f"{FOLDER}/at_once.py",
    marks=pytest.mark.xfail(  # each row is locked until the last one is filled
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="the change of a user waits for the fill"),
    ),
)


@pytest.mark.holds(
    "Rows of an earlier batch can be changed while a later batch is filled.",
    "PostgreSQL keeps the lock on each row until the transaction ends.",
    "Old rows have nothing in the new column.",
    "Look at engine.begin(): each batch is a transaction.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/batches.py", FILLING], indirect=True)
def test_a_filled_user_can_be_changed_while_others_are_filled(
    snippet: ModuleType, database: str
) -> None:
    async def fill() -> list[Any]:
        engine = create_async_engine(database, poolclass=NullPool)
        async with clients(database, 3) as (holder, writer, watch):
            await holder.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
            await holder.execute("ALTER TABLE users ADD COLUMN display_name text")
            await holder.execute(ADD.format(1, 2500))
            await holder.execute(HELD)
            await holder.execute("SELECT pg_advisory_lock(1)")
            filling = asyncio.create_task(snippet.fill(engine))
            pid = await someone(watch, behind=holder.get_server_pid())
            change = "UPDATE users SET display_name = 'Anna' WHERE id = 1"
            free = await answered(writer, change, watch, behind=pid)
            await holder.execute("SELECT pg_advisory_unlock(1)")
            await filling
            names = "SELECT display_name, count(*) FROM users GROUP BY 1 ORDER BY 1"
            counted = [tuple(row) for row in await watch.fetch(names)]
        assert free, "the change of a user waits for the fill of all"
        return counted

    assert asyncio.run(fill()) == [("Ann", 2499), ("Anna", 1)]


@pytest.mark.holds(
    "FOR NO KEY UPDATE locks the rows of a batch by their ids, as Do: lock rows in one order asks.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/batches.py"], indirect=True)
def test_a_batch_is_locked_in_the_order_of_the_ids(snippet: ModuleType, database: str) -> None:
    hashed = {"enable_nestloop": "off", "enable_mergejoin": "off"}  # it reads as rows lie

    async def fill() -> str:
        engine = create_async_engine(
            database, poolclass=NullPool, connect_args={"server_settings": hashed}
        )
        async with clients(database, 2) as (holder, watch):
            await holder.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
            await holder.execute("ALTER TABLE users ADD COLUMN display_name text")
            await holder.execute(ADD.format(1, 2500) + " ORDER BY n DESC")
            await holder.execute("ANALYZE users")
            await holder.execute("BEGIN; SELECT FROM users WHERE id = 1 FOR UPDATE")
            filling = asyncio.create_task(snippet.fill(engine))
            await someone(watch, behind=holder.get_server_pid())
            second = "SELECT FROM users WHERE id = 2 FOR UPDATE NOWAIT"
            try:
                return str(await holder.execute(second))
            finally:
                await holder.execute("ROLLBACK")
                await filling

    assert asyncio.run(fill()) == "SELECT 1"  # a row that is free


BUILDING = pytest.param(
    f"{FOLDER}/index.py",
    marks=pytest.mark.xfail(  # its lock lets nobody write
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="a writer waits for the index"),
    ),
)


@asynccontextmanager
async def building(config: Config, database: str) -> AsyncIterator[tuple[Any, ...]]:
    """Let a migration wait for a transaction that has written, and end both."""
    async with clients(database, 3) as (holder, writer, watch):
        await holder.execute("BEGIN; " + ADD.format(1, 1))
        built = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "head"))
        try:
            pid = await someone(watch, behind=holder.get_server_pid())
            yield writer, watch, pid
        finally:
            await holder.execute("COMMIT")
            await asyncio.wait({built})
        await built


@pytest.mark.parametrize("snippet", [f"{FOLDER}/concurrently.py", BUILDING], indirect=True)
def test_others_write_while_an_index_is_built(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    plant(alembic, snippet)

    async def build() -> bool:
        async with building(alembic, database) as (writer, watch, pid):
            return await answered(writer, ADD.format(2, 2), watch, behind=pid)

    assert asyncio.run(build()), "a writer waits for the index"


@pytest.fixture
def pooler(postgres: Postgres) -> Callable[..., AbstractContextManager[str]]:
    """What starts PgBouncer before the server; skip where the service's tests are skipped too."""
    if absent := missing("pooler"):
        pytest.skip(f"install {', '.join(absent)} to run it")  # CI requires it
    return partial(running, postgres)


@pytest.mark.holds(
    "Connect to the server itself, not to PgBouncer: it refuses lock_timeout, drops it where ignore_startup_parameters names it, and with pool_mode=transaction hands a SET to other clients.",
)
def test_a_pooler_takes_no_limit(pooler: Any, database: str) -> None:
    name = database.rpartition("/")[2]
    mode, dropped = "pool_mode=transaction", "ignore_startup_parameters=lock_timeout"

    async def limit(address: str, *said: str, **settings: str) -> str:
        told = {"server_settings": settings, "statement_cache_size": 0}
        connection = await asyncpg.connect(address + name, **told)
        try:
            for statement in said:
                await connection.execute(statement)
            return str(await connection.fetchval("SHOW lock_timeout"))
        finally:
            await connection.close()

    refused = pytest.raises(asyncpg.ProtocolViolationError, match=r"parameter: lock_timeout$")
    with pooler(mode) as address, refused:
        asyncio.run(limit(address, lock_timeout="3s"))
    with pooler(mode, dropped) as address:
        assert asyncio.run(limit(address, lock_timeout="3s")) == "0"
        assert asyncio.run(limit(address, "SET lock_timeout = '7s'")) == "7s"
        assert asyncio.run(limit(address)) == "7s"  # of another client


VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_users_name'::regclass"


@pytest.mark.holds(
    "With IF NOT EXISTS the next run keeps the invalid index and reports success, so drop that index first.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/concurrently.py"], indirect=True)
def test_an_interrupted_build_leaves_an_index_that_no_query_uses(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    plant(alembic, snippet)
    again = "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_users_name ON users (name)"
    explain = "SET enable_seqscan = off; EXPLAIN SELECT FROM users WHERE name = 'Ann'"

    async def interrupt() -> list[bool]:
        with pytest.raises(DBAPIError, match="canceling statement due to user request"):
            await cancel()
        async with connected(database.replace("+asyncpg", "")) as connection:
            found = [await connection.fetchval(VALID), await uses(connection)]
            await connection.execute(again)
            found.append(await connection.fetchval(VALID))
            await asyncio.to_thread(command.upgrade, alembic, "head")
            return [*found, await connection.fetchval(VALID), await uses(connection)]

    async def cancel() -> None:
        async with building(alembic, database) as (_, watch, pid):
            await watch.execute(f"SELECT pg_cancel_backend({pid})")
            while pid in {waiting for waiting, _ in await queue(watch)}:
                pass  # until it is told

    async def uses(connection: Any) -> bool:
        setting, query = explain.split("; ")
        await connection.execute(setting)
        return "ix_users_name" in str(await connection.fetch(query))

    assert asyncio.run(interrupt()) == [False, False, False, True, True]


@pytest.mark.holds(
    "A build that was interrupted leaves an invalid index, which no query uses; a unique one can refuse rows all the same.",
    "Give another index another name, because the drop takes a valid index too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/concurrently.py"], indirect=True)
def test_an_invalid_index_refuses_rows_and_a_valid_one_is_dropped(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    unique = "CREATE UNIQUE INDEX CONCURRENTLY {} ON users (name)"
    phase = "SELECT phase FROM pg_stat_progress_create_index WHERE datname = current_database()"
    planted = plant(alembic, snippet)
    source = Path(str(snippet.__file__)).read_text()
    create = "CREATE INDEX CONCURRENTLY ix_users_name ON users (name)"
    assert create in source

    async def interrupt() -> list[Any]:
        async with clients(database, 3) as (older, builder, watch):
            await watch.execute(ADD.format(1, 1))
            await older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM users")
            building = asyncio.create_task(builder.execute(unique.format("uq_users_name")))
            while await watch.fetchval(phase) != "waiting for old snapshots":
                assert not building.done()
            await watch.execute(f"SELECT pg_cancel_backend({builder.get_server_pid()})")
            with pytest.raises(asyncpg.QueryCanceledError):
                await building
            await older.execute("COMMIT")
            found = [await watch.fetchval(VALID.replace("ix_users", "uq_users"))]
            found.append("uq_users" in str(await watch.fetch("EXPLAIN " + by_name)))
            with pytest.raises(asyncpg.UniqueViolationError):
                await watch.execute(ADD.format(2, 2))
            await watch.execute("CREATE INDEX ix_users_name ON users (id)")
            await asyncio.to_thread(planted.write_text, source.replace(create, "SELECT 0"))
            await asyncio.to_thread(command.upgrade, alembic, "head")
            return [*found, await watch.fetchval("SELECT to_regclass('ix_users_name')")]

    by_name = "SELECT FROM users WHERE name = 'Ann'"
    assert asyncio.run(interrupt()) == [False, False, None]


LIMITED = "ALTER DATABASE {} SET lock_timeout = '50ms'"
SEEN = """
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock_timeout")
"""


async def outlasted(config: Config, database: str) -> bool:
    """Tell whether a build waits on when another, which began later, waited too long."""
    async with clients(database, 1) as (later,):
        await later.execute("SET lock_timeout = '50ms'")
        async with building(config, database) as (_, watch, pid):
            with pytest.raises(asyncpg.LockNotAvailableError):
                await later.execute("BEGIN; LOCK TABLE users IN SHARE MODE")
            return any(waiting == pid for waiting, _ in await queue(watch))


@pytest.mark.holds(
    "lock_timeout would end the build while it waits for an older transaction, so set it to 0 for the build.",
    "RESET lock_timeout gives the next migration its limit back.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/concurrently.py"], indirect=True)
def test_a_build_waits_and_the_next_migration_does_not(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    planted = plant(alembic, snippet)
    planted.with_name("seen.py").write_text(SEEN)
    source = Path(str(snippet.__file__)).read_text()
    limited = source.replace('"SET lock_timeout = 0"', '"SELECT 0"')

    async def build() -> list[Any]:
        async with connected(database.replace("+asyncpg", "")) as connection:
            name = await connection.fetchval("SELECT quote_ident(current_database())")
            await connection.execute(LIMITED.format(name))
            assert await outlasted(alembic, database), "the build gave up"
            found = [await connection.fetchval(VALID)]
            found.append(await connection.fetchval("SELECT lock_timeout FROM seen"))
            await asyncio.to_thread(command.stamp, alembic, "0001")
            await asyncio.to_thread(planted.write_text, limited)
            await connection.execute("BEGIN; " + ADD.format(2, 2))
            with pytest.raises(DBAPIError, match="canceling statement due to lock timeout"):
                await asyncio.to_thread(command.upgrade, alembic, "head")
            return [*found, await connection.fetchval(VALID)]

    assert asyncio.run(build()) == [True, "50ms", False]


@pytest.mark.holds(
    "Look at autocommit_block: CREATE INDEX CONCURRENTLY can't run in a transaction.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/concurrently.py"], indirect=True)
def test_an_index_is_not_built_concurrently_in_a_transaction(
    snippet: ModuleType, alembic: Config
) -> None:
    file = plant(alembic, snippet)
    source = Path(str(snippet.__file__)).read_text()
    inside = source.replace("op.get_context().autocommit_block()", "nullcontext()")
    file.write_text(
        inside.replace("from alembic", "from contextlib import nullcontext\n\nfrom alembic")
    )
    with pytest.raises(DBAPIError, match="cannot run inside a transaction block"):
        command.upgrade(alembic, "head")


@pytest.mark.holds(
    "Reads go on, so a test that reads is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/index.py"], indirect=True)
def test_reads_go_on_while_an_index_is_built(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    plant(alembic, snippet)

    async def build() -> bool:
        async with building(alembic, database) as (reader, watch, pid):
            return await answered(reader, "SELECT FROM users", watch, behind=pid)

    assert asyncio.run(build())


async def line(engine: Any, database: str) -> None:
    """Let a reader wait for a migration that waits for a report, and end the report."""
    granted = "SELECT FROM pg_locks WHERE relation = 'users'::regclass AND granted AND pid = $1"
    async with clients(database, 3) as (report, reader, watch), engine.connect() as connection:
        await report.execute("BEGIN; SELECT count(*) FROM users")
        alter = text("ALTER TABLE users ADD COLUMN age integer")
        migration = asyncio.create_task(connection.execute(alter))
        first, last = report.get_server_pid(), reader.get_server_pid()
        pid = await someone(watch, behind=first)
        read = asyncio.create_task(reader.execute("SELECT FROM users"))
        while await queue(watch) != {(pid, first), (last, pid)}:
            pass  # until the reader waits too
        assert await watch.fetch(granted, first) and not await watch.fetch(granted, pid)
        await report.execute("COMMIT")
        await migration
        await connection.commit()
        await read
        assert await queue(watch) == set()


@pytest.mark.holds(
    "Or a migration that took a moment on your machine waits for a lock in production, and every query behind it waits too.",
    "Each later query of that table waits behind the migration, although the migration holds no lock on it yet.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unlimited.py"], indirect=True)
def test_a_reader_waits_behind_a_migration_that_has_no_lock_yet(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    asyncio.run(line(snippet.create_engine(), database))


@pytest.mark.holds(
    "The reader waits for the migration, and the migration waits for the report.",
    "When the report ends, all go on.",
)
@pytest.mark.proves(f"{FOLDER}/waits.sql")
def test_postgresql_tells_who_waits_for_whom(alembic: Config, database: str) -> None:
    asyncio.run(line(create_async_engine(database, poolclass=NullPool), database))


@pytest.mark.holds(
    "If they can't wait, end the migration with SELECT pg_cancel_backend(pid), and the reader goes on.",
)
@pytest.mark.proves(f"{FOLDER}/waits.sql")
def test_a_migration_that_is_ended_lets_the_reader_go_on(alembic: Config, database: str) -> None:
    async def end() -> None:
        async with clients(database, 4) as (report, migration, reader, watch):
            await report.execute("BEGIN; SELECT count(*) FROM users")
            alter = "ALTER TABLE users ADD COLUMN age integer"
            altering = asyncio.create_task(migration.execute(alter))
            pid = await someone(watch, behind=report.get_server_pid())
            read = asyncio.create_task(reader.execute("SELECT FROM users"))
            assert await someone(watch, behind=pid) == reader.get_server_pid()
            assert await watch.fetchval("SELECT pg_cancel_backend(pid)".replace("pid", str(pid)))
            await read
            with pytest.raises(asyncpg.QueryCanceledError):
                await altering
            assert await queue(watch) == set()

    asyncio.run(end())


@pytest.mark.holds(
    "Rows that are filled stay filled when the run is interrupted, and the next run leaves them alone.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/batches.py"], indirect=True)
def test_an_interrupted_fill_goes_on_where_rows_are_empty(
    snippet: ModuleType, database: str
) -> None:
    filled = "SELECT count(*) FROM users WHERE display_name IS NOT NULL"

    async def fill() -> list[int]:
        engine = create_async_engine(database, poolclass=NullPool)
        async with clients(database, 2) as (holder, watch):
            await holder.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
            await holder.execute("ALTER TABLE users ADD COLUMN display_name text")
            await holder.execute(ADD.format(1, 2500))
            await holder.execute(HELD)
            await holder.execute("SELECT pg_advisory_lock(1)")
            filling = asyncio.create_task(snippet.fill(engine))
            pid = await someone(watch, behind=holder.get_server_pid())
            await watch.execute(f"SELECT pg_cancel_backend({pid})")
            with pytest.raises(DBAPIError, match="canceling statement due to user request"):
                await filling
            counts = [await watch.fetchval(filled)]
            await watch.execute("UPDATE users SET display_name = 'Anna' WHERE id = 1")
            await holder.execute("SELECT pg_advisory_unlock(1)")
            await snippet.fill(engine)
            counts.append(await watch.fetchval(filled))
            kept = "SELECT count(*) FROM users WHERE display_name = 'Anna'"
            return [*counts, await watch.fetchval(kept)]

    assert asyncio.run(fill()) == [1000, 2500, 1]


@pytest.mark.holds(
    "A process that still writes only name changes a row that is filled, and the next run leaves the old display_name there.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/batches.py"], indirect=True)
def test_a_fill_does_not_see_what_changed_after_it(snippet: ModuleType, database: str) -> None:
    async def fill() -> list[str]:
        engine = create_async_engine(database, poolclass=NullPool)
        async with clients(database, 1) as (old,):
            await old.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
            await old.execute("ALTER TABLE users ADD COLUMN display_name text")
            await old.execute(ADD.format(1, 1))
            await snippet.fill(engine)
            await old.execute("UPDATE users SET name = 'Anna'")
            await snippet.fill(engine)
            return list(await old.fetchrow("SELECT name, display_name FROM users"))

    assert asyncio.run(fill()) == ["Anna", "Ann"]


@pytest.mark.holds(
    "VALIDATE CONSTRAINT stops no reader and no writer, but another change of that table's schema waits for it.",
)
def test_who_waits_for_a_validation(alembic: Config, database: str) -> None:
    check = "ALTER TABLE users ADD CONSTRAINT ck_users_name CHECK (name <> '') NOT VALID"
    queries = "SELECT FROM users", ADD.format(1, 1), "ALTER TABLE users ADD COLUMN age integer"

    async def ask() -> list[bool]:
        async with clients(database, 3) as (validating, other, watch):
            await validating.execute(check)
            await validating.execute("BEGIN; ALTER TABLE users VALIDATE CONSTRAINT ck_users_name")
            pid = validating.get_server_pid()
            return [await answered(other, query, watch, behind=pid) for query in queries]

    assert asyncio.run(ask()) == [True, True, False]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/limited.py"], indirect=True)
def test_the_template_takes_the_limited_engine(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    env = Path(str(alembic.get_main_option("script_location")), "env.py")
    call = re.compile(r"= async_engine_from_config\(.*?\n    \)", re.DOTALL)
    edited, count = call.subn("= create_engine()", env.read_text())
    assert count == 1
    env.write_text(f"from {snippet.__name__} import create_engine\n{edited}")
    seen = SEEN.replace('"0002"', '"0001"')
    env.with_name("versions").joinpath("seen.py").write_text(seen)
    command.upgrade(alembic, "head")

    async def ask() -> str:
        async with connected(database.replace("+asyncpg", "")) as connection:
            return str(await connection.fetchval("SELECT lock_timeout FROM seen"))

    assert asyncio.run(ask()) == "3s"


CURRENT = """
import re, sys
from pathlib import Path
from alembic.config import main

_, url, *init = sys.argv
main(init)
settings = Path("alembic.ini")
told = re.sub("(?m)^sqlalchemy.url = .*$", f"sqlalchemy.url = {url}", settings.read_text())
settings.write_text(told)
main(["current"])
"""


@pytest.mark.holds(
    "Create the folder with alembic init --template async migrations: with the default template, a URL with asyncpg raises sqlalchemy.exc.MissingGreenlet.",
)
def test_the_default_template_has_no_asynchronous_engine(database: str, tmp_path: Path) -> None:
    assert "asyncpg" in database
    told = list[str]()
    for command_line in "alembic init --template async migrations", "alembic init migrations":
        folder = tmp_path / str(len(told))
        folder.mkdir()
        program = [sys.executable, "-c", CURRENT, database, *command_line.split()[1:]]
        ended = subprocess.run(program, cwd=folder, capture_output=True, text=True)
        told.append("".join(re.findall(r"^sqlalchemy\.exc\.\w+", ended.stderr, re.MULTILINE)))
        assert bool(ended.returncode) == bool(told[-1]), ended.stderr
    assert told == ["", "sqlalchemy.exc.MissingGreenlet"]


def lint(sql: str, *options: str) -> set[str]:
    """Return the names of the rules that some SQL breaks by the page's configuration."""
    config = str(SNIPPETS / FOLDER / "squawk.toml")
    command_line = ["squawk", "--config", config, "--reporter=json", *options]
    told = subprocess.run(command_line, input=sql, capture_output=True, text=True)
    assert told.returncode == (told.stdout.strip() != "[]"), told.stderr
    return {each["rule_name"] for each in json.loads(told.stdout)}


WRITTEN = """
import sys
from alembic.config import main

for revisions in sys.argv[1:]:
    main(["upgrade", revisions, "--sql"])
    print(chr(0), flush=True)
"""


def written(*revisions: str) -> list[str]:
    """Return what migrations of the service tell a database, as SQL, for each range of them."""
    home = accounts.SERVICE
    environment = {**os.environ, "PYTHONPATH": f"{home}/src:{home}"}
    told = subprocess.run(
        [f"{accounts.BIN}/python", "-c", WRITTEN, *revisions],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *each, _ = told.stdout.split("\0\n")
    return each


@pytest.mark.holds(
    "It passes the newest migrations of the service, and refuses both the renaming and the index in a transaction.",
    "It refuses the drop of name too: a person must say that no release reads or writes it.",
    "It doesn't see how the rows are filled.",
    "With a pipe, Squawk reads nothing where alembic fails, and reports success.",
    "Let Alembic run the migrations all the same: that SQL sets no limit on a wait.",
)
@pytest.mark.proves(f"{FOLDER}/squawk.toml")
def test_a_linter_refuses_what_stops_others_and_passes_the_service(
    alembic: Config, tmp_path: Path
) -> None:
    newest, whole, renaming = written("0005:head", "base:head", "0002:0005")
    assert "0008" in newest
    assert not lint(newest)
    assert "SET lock_timeout = '" not in whole
    (tmp_path / "squawk.toml").write_text((SNIPPETS / FOLDER / "squawk.toml").read_text())
    linted = "squawk --config squawk.toml"
    for command_line, passes in {
        f"alembic upgrade 0005:head --sql > new.sql && {linted} new.sql": False,
        f"alembic upgrade 0005:head --sql | {linted}": True,
    }.items():  # no configuration of Alembic is there
        ended = subprocess.run(command_line, shell=True, cwd=tmp_path)  # noqa: S602  it stands above
        assert (ended.returncode == 0) == passes
    contract = {"ban-drop-column", "ban-drop-constraint", "ban-drop-function"}
    assert lint(renaming) == contract
    planted = Path(str(alembic.get_main_option("script_location")), "versions/next.py")
    for name, rule in {
        "rename.py": "renaming-column",
        "index.py": "require-concurrent-index-creation",
        "concurrently.py": None,
        "expand.py": None,
    }.items():
        planted.write_text((SNIPPETS / FOLDER / name).read_text())
        alembic.output_buffer = told = io.StringIO()
        command.upgrade(alembic, "0001:0002", sql=True)
        assert lint(told.getvalue()) == ({rule} if rule else set())
    assert not lint("UPDATE users SET display_name = name WHERE display_name IS NULL;")


@pytest.mark.holds(
    "A column that only the model has is in the list, and so is a column whose type differs.",
    "A CheckConstraint, a trigger, a default of the server and a table of another schema aren't compared.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/compared.py"], indirect=True)
def test_models_and_migrations_are_compared(
    snippet: ModuleType, alembic: Config, database: str
) -> None:
    def models(*more: Any, length: int = 100) -> MetaData:
        name = Column("name", String(length), nullable=False)
        made = MetaData()
        Table("users", made, Column("id", Integer, primary_key=True), name, *more)
        return made

    unseen = (
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER keep BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep()",
        "ALTER TABLE users ALTER COLUMN name SET DEFAULT 'Ann'",
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id integer)",
    )

    async def compare(*metadata: MetaData) -> list[Any]:
        engine = create_async_engine(database, poolclass=NullPool)
        async with engine.begin() as connection:
            for statement in unseen:
                await connection.execute(text(statement))
            return [await connection.run_sync(snippet.differences, each) for each in metadata]

    age, check = Column("age", Integer), CheckConstraint("name <> ''", name="ck_users_name")
    added, longer, same, checked = asyncio.run(
        compare(models(age), models(length=200), models(), models(check))
    )
    assert [(each[0], each[2], each[3].name) for each in added] == [("add_column", "users", "age")]
    assert [each[0] for each in longer[0]] == ["modify_type"]
    assert [same, checked] == [[], []]


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()
name = Column("display_name", String(100), nullable=False)
Table("users", metadata, Column("id", Integer, primary_key=True), name)
"""


@pytest.mark.holds(
    "A renamed column counts as a new column and a dropped column, so what --autogenerate writes loses its values.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/compared.py"], indirect=True)
def test_a_renaming_is_not_seen(
    snippet: ModuleType,
    alembic: Config,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = dict[str, Any]()
    exec(MODELS, names)  # noqa: S102  it stands above

    async def compare() -> list[Any]:
        engine = create_async_engine(database, poolclass=NullPool)
        async with engine.connect() as connection:
            return list(await connection.run_sync(snippet.differences, names["metadata"]))

    (tmp_path / "renamed_models.py").write_text(MODELS)
    env = tmp_path / "migrations/env.py"
    target = "target_metadata = None"
    assert target in env.read_text()
    env.write_text(
        env.read_text().replace(target, "from renamed_models import metadata as target_metadata")
    )
    monkeypatch.syspath_prepend(tmp_path)
    line = CommandLine()
    line.run_cmd(alembic, line.parser.parse_args(["revision", "--autogenerate", "-m", "rename"]))
    (made,) = tmp_path.glob("migrations/versions/*_rename.py")
    upgrade = made.read_text().partition("def upgrade")[2].partition("def downgrade")[0]
    assert re.findall(r"op\.(\w+)\('users'", upgrade) == ["add_column", "drop_column"]
    found = [(each[0], each[3].name) for each in asyncio.run(compare())]
    assert found == [("add_column", "display_name"), ("remove_column", "name")]


WRITE = "tests/test_migrations.py::test_between_the_two_halves_old_and_new_code_write"


@pytest.mark.holds(
    "The service renamed a column step by step",
    "The table of users had a column name, and has display_name now.",
    "Between the two and the third migration, old code and new code write to one table.",
    "The third migration drops the trigger and name, a release later.",
    "The first migration adds the column, and a trigger that copies each write from one column into the other:",
)
@pytest.mark.service(WRITE)
@pytest.mark.proves("service/alembic/versions/rev_0003_add_display_name.py")
def test_each_write_goes_into_both_columns(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "Build each index without that limit, as snippets/service/alembic/versions/rev_0008_index_backlog.py does.",
)
@pytest.mark.service(
    "tests/test_migrations.py::test_an_index_waits_for_older_transactions_as_long_as_it_takes[upgrade-0007-0008]",
)
def test_the_service_builds_its_indexes_without_a_limit(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "The second migration, rev_0004_fill_display_name.py, fills the old rows and then checks all of them, while others read and add users.",
)
@pytest.mark.service(
    "tests/test_migrations.py::test_all_can_read_and_write_while_a_column_is_filled",
    "tests/test_migrations.py::test_a_batch_is_locked_in_the_order_of_the_ids",
)
@pytest.mark.proves("service/alembic/versions/rev_0003_add_display_name.py")
def test_all_go_on_while_the_column_is_filled(service: Callable[[], None]) -> None:
    service()
