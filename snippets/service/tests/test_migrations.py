"""The schema by its migrations, and the schema by its models."""

import asyncio

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

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
    revisions = ScriptDirectory.from_config(alembic).walk_revisions()
    assert [found.revision for found in revisions] == ["0004", "0003", "0002", "0001"]


def test_each_migration_can_be_undone(alembic: Config) -> None:
    for revision in ("0003", "0002", "0001", "base"):
        command.downgrade(alembic, revision)
    command.upgrade(alembic, "head")
    command.check(alembic)


# --8<-- [start:expanded]
def test_between_the_two_halves_old_and_new_code_write(
    alembic: Config, database_url: str
) -> None:
    command.downgrade(alembic, "0002")
    old = "INSERT INTO users (email, name) VALUES ('a', 'Ann'), ('b', 'Bob')"
    fetch(database_url, old)

    command.upgrade(alembic, "0003")
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

    command.upgrade(alembic, "0004")
    assert fetch(database_url, "SELECT display_name FROM users ORDER BY email") == [
        (name,) for name in names
    ]


# --8<-- [end:expanded]


def test_it_can_be_written_as_sql(
    alembic: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    command.upgrade(alembic, "head", sql=True)
    assert "CREATE TABLE users" in capsys.readouterr().out
