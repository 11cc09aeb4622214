"""The schema by its migrations, and the schema by its models."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from alembic import command
from dev.processes import ROOT


@pytest.fixture
def alembic(database_url: str) -> Config:
    """Alembic, on the test's migrated database."""
    return Config(ROOT / "alembic.ini", attributes={"url": database_url, "logs": False})


def fetch(url: str, *queries: str) -> list[tuple[object, ...]]:
    """Run queries in a transaction; return the rows of the last one."""

    async def run() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            rows = [await connection.fetch(query) for query in queries]
            return [tuple(row) for row in rows[-1]]
        finally:
            await connection.close()

    return asyncio.run(run())


def test_models_and_migrations_agree(alembic: Config) -> None:
    command.check(alembic)


def test_there_is_one_way_through_the_migrations(alembic: Config) -> None:
    revisions = list(ScriptDirectory.from_config(alembic).walk_revisions())
    count = len(list(ROOT.glob("alembic/versions/rev_*.py")))
    assert [found.revision for found in revisions] == [
        f"{number:04}" for number in range(count, 0, -1)
    ]


def test_each_migration_can_be_undone(alembic: Config) -> None:
    revisions = ScriptDirectory.from_config(alembic).walk_revisions()
    for found in list(revisions):
        command.downgrade(alembic, str(found.down_revision or "base"))
    command.upgrade(alembic, "head")
    command.check(alembic)


def test_between_the_two_halves_old_and_new_code_write(
    alembic: Config, database_url: str
) -> None:
    command.downgrade(alembic, "0002")
    old = "INSERT INTO users (email, name) VALUES ('a', 'Ann'), ('b', 'Bob')"
    fetch(database_url, old)

    command.upgrade(alembic, "0004")
    rows = fetch(
        database_url,
        "INSERT INTO users (email, name) VALUES ('c', 'Cid')",
        "INSERT INTO users (email, display_name) VALUES ('d', 'Dan')",
        "UPDATE users SET name = 'Anna' WHERE email = 'a'",
        "UPDATE users SET display_name = 'Rob' WHERE email = 'b'",
        "SELECT name, display_name FROM users ORDER BY email",
    )
    names = ["Anna", "Rob", "Cid", "Dan"]
    assert rows == [(name, name) for name in names]

    command.upgrade(alembic, "0005")
    assert fetch(database_url, "SELECT display_name FROM users ORDER BY email") == [
        (name,) for name in names
    ]


HOLD = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION hold()
"""
HELD = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


# --8<-- [start:readers]
@pytest.mark.parametrize(
    ("move", "start", "end", "column"),
    [
        (command.upgrade, "0002", "0004", "name"),
        (command.downgrade, "0005", "0004", "display_name"),
    ],
)
async def test_all_can_read_and_write_while_a_column_is_filled(
    alembic: Config,
    database_url: str,
    move: Callable[[Config, str], None],
    start: str,
    end: str,
    column: str,
) -> None:
    await asyncio.to_thread(command.downgrade, alembic, start)
    connection = await asyncpg.connect(database_url)
    add = f"INSERT INTO users (email, {column}) SELECT n, 'Ann' FROM generate_series"  # noqa: S608  known
    await connection.execute(f"{add}(1, 1500) AS n")
    await connection.execute(HOLD)
    await connection.execute("SELECT pg_advisory_lock(1)")
    moving = asyncio.create_task(asyncio.to_thread(move, alembic, end))
    while not await connection.fetch(HELD):
        assert not moving.done()

    await connection.execute("SET statement_timeout = '1s'")
    assert len(await connection.fetch("SELECT FROM users")) == 1500
    await connection.execute(f"{add}(1501, 1501) AS n")

    await connection.execute("SELECT pg_advisory_unlock(1)")
    await moving
    rows = await connection.fetch("SELECT DISTINCT name, display_name FROM users")
    assert [tuple(row) for row in rows] == [("Ann", "Ann")]
    await connection.close()


# --8<-- [end:readers]


async def test_a_batch_is_locked_in_the_order_of_the_ids(
    alembic: Config, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_they_lie = {"enable_nestloop": "off", "enable_mergejoin": "off"}
    await asyncio.to_thread(command.downgrade, alembic, "0002")
    holder, other = [await asyncpg.connect(database_url) for _ in range(2)]
    await holder.execute(
        "INSERT INTO users (id, email, name) OVERRIDING SYSTEM VALUE"
        " SELECT n, n, 'Ann' FROM generate_series(2500, 1, -1) AS n"
    )
    await asyncio.to_thread(command.upgrade, alembic, "0003")
    await holder.execute("ANALYZE users")
    await holder.execute("BEGIN; SELECT FROM users WHERE id = 1 FOR UPDATE")
    monkeypatch.setattr(asyncpg, "connect", telling(asyncpg.connect, as_they_lie))
    filling = asyncio.create_task(asyncio.to_thread(command.upgrade, alembic, "0004"))
    while not await other.fetch(WAITING):
        assert not filling.done(), filling.result()

    await holder.execute("SELECT FROM users WHERE id = 2 FOR UPDATE NOWAIT")
    await holder.execute("COMMIT")
    await filling
    for connection in holder, other:
        await connection.close()


WAITING = """
SELECT FROM pg_stat_activity
WHERE application_name = 'accounts-alembic' AND wait_event_type = 'Lock'
AND datname = current_database()
"""


@pytest.mark.parametrize(
    ("move", "start", "end"),
    [(command.upgrade, "0007", "0008"), (command.downgrade, "0008", "0007")],
)
async def test_an_index_waits_for_older_transactions_as_long_as_it_takes(
    alembic: Config,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    move: Callable[[Config, str], None],
    start: str,
    end: str,
) -> None:
    older, later = [await asyncpg.connect(database_url) for _ in range(2)]
    await asyncio.to_thread(command.downgrade, alembic, start)
    monkeypatch.setattr(
        asyncpg, "connect", telling(asyncpg.connect, {"lock_timeout": "50ms"})
    )
    await older.execute("BEGIN; LOCK TABLE outbox, users IN ROW EXCLUSIVE MODE")
    moving = asyncio.create_task(asyncio.to_thread(move, alembic, end))
    while not await later.fetch(WAITING):
        assert not moving.done(), moving.result()

    await later.execute("SET lock_timeout = '50ms'")
    with pytest.raises(asyncpg.LockNotAvailableError):  # it began to wait after it
        await later.execute("BEGIN; LOCK TABLE users IN SHARE MODE")
    await later.execute("ROLLBACK")
    assert await later.fetch(WAITING), "the migration gave up"
    assert not moving.done()

    await older.execute("COMMIT")
    await moving
    assert not await later.fetch("SELECT FROM pg_index WHERE NOT indisvalid")
    for connection in older, later:
        await connection.close()


def telling(
    connect: Callable[..., object], more: dict[str, str]
) -> Callable[..., object]:
    """Return what connects as before, and sets more on the connection."""

    def call(url: str, *, server_settings: dict[str, str]) -> object:
        return connect(url, server_settings={**server_settings, **more})

    return call


@pytest.mark.parametrize("autogenerate", [False, True])
def test_a_new_revision_passes_the_gates(
    database_url: str, tmp_path: Path, autogenerate: bool
) -> None:
    for name in ("alembic.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    fetch(database_url, "ALTER TABLE users ADD COLUMN x varchar(10) DEFAULT 'y'")
    attributes = {"url": database_url, "logs": False}
    config = Config(tmp_path / "alembic.ini", attributes=attributes)
    made = command.revision(config, "Add a column", autogenerate)
    assert isinstance(made, Script)
    assert ("drop_column" in Path(made.path).read_text()) == autogenerate
    for gate in (["format", "--check"], ["check", "--no-cache"]):
        subprocess.run([sys.executable, "-m", "ruff", *gate, made.path], check=True)


def test_it_can_be_written_as_sql(
    alembic: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    command.upgrade(alembic, "head", sql=True)
    written = capsys.readouterr().out
    assert "CREATE TABLE users" in written
    # An index waits as long as it takes, and what comes after it doesn't.
    waits, limit = "SET lock_timeout = 0;", "RESET lock_timeout;"
    assert (written.count(waits), written.count(limit)) == (1, 1)
    assert written.index(waits) < written.index("CONCURRENTLY") < written.index(limit)
    assert "CONCURRENTLY" not in written.partition(limit)[2]
    # Without the first, the second reads all rows, and nobody else does meanwhile.
    assert written.index("VALIDATE CONSTRAINT") < written.rindex("SET NOT NULL")
