"""A repository of a small shop: its releases as tags, each with its migrations and its tests."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.engine.pages import SNIPPETS
from tests.engine.proof import Session
from tests.engine.run import Run
from tests.parts.outputs import hold_lines
from tests.parts.postgres import WHEEL, Postgres
from tests.parts.service import ended

ENV = """
import asyncio
import os

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine


def migrate(connection):
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect():
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(connect())
"""
MIGRATION = """
from alembic import op

revision, down_revision = {}


def upgrade():
    op.execute({!r})


def downgrade():
    op.execute({!r})
"""
TEST = """
import asyncio
import os

import asyncpg


async def add():
    connection = await asyncpg.connect(os.environ["DATABASE_URL"].replace("+asyncpg", ""))
    adding = connection.transaction()
    await adding.start()
    try:
        rows = await connection.fetch("INSERT INTO users {} RETURNING {}")
    finally:
        await adding.rollback()
        await connection.close()
    return [row[0] for row in rows]


def test_a_user_is_added():
    assert asyncio.run(add()) == ["Cid"]
"""
VERSION = '[project]\nname = "shop"\nversion = "{}"\n'
CREATE = "CREATE TABLE users (id integer GENERATED ALWAYS AS IDENTITY, name text NOT NULL)"
RENAME = "ALTER TABLE users RENAME COLUMN {} TO {}"
FIRST = MIGRATION.format('"0001", None', CREATE, "DROP TABLE users")
PHONES = [f"ALTER TABLE users {change}" for change in ("ADD phone text", "DROP phone")]
NOTE = [f"ALTER TABLE users {change}" for change in ("ADD note text", "DROP note")]
RENAMED = [RENAME.format(*names) for names in (("name", "full_name"), ("full_name", "name"))]
NEW = TEST.format("(name, email) VALUES ('Cid', 'cid@example.com')", "name")
ADDRESSES = SNIPPETS / "release/rollback/dropped.py"
RELEASES = {
    "v1.2.2": {
        "NOTES.md": "Rollback: to be done\n",
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "lock.txt": "money==2.0\n",
        "migrations/env.py": ENV,
        "migrations/versions/0001.py": FIRST,
        "prices.py": "VAT = 25\n",
        "pyproject.toml": VERSION.format("1.2.2"),
        "requirements.in": "money>=2\n",
        "requirements.txt": "money\n",
        "test_users.py": TEST.format("(name) VALUES ('Cid')", "name"),
    },
    "v1.2.3": {
        "migrations/versions/0002.py": ADDRESSES.read_text(),
        "migrations/versions/0003.py": MIGRATION.format('"0003", "0002"', *PHONES),
        "pyproject.toml": VERSION.format("1.2.3"),
        "requirements.txt": "money>=2\n",
        "test_users.py": NEW,
    },
    "v1.2.4": {"README": "A release without a migration.\n"},
    "v1.3.0": {
        "migrations/versions/0004.py": MIGRATION.format('"0004", "0003"', *RENAMED),
        "migrations/versions/0005.py": MIGRATION.format('"0005", "0004"', *NOTE),
        "test_users.py": NEW.replace("name", "full_name"),
    },
}
PLAIN = str.maketrans(".-", "__")
USERS = "INSERT INTO users (name, email) VALUES ('Ann', 'ann@x.org'), ('Bob', 'bob@x.org')"


class Shop:
    """A repository with its releases, and its databases on a server."""

    def __init__(self, folder: Path, server: Postgres) -> None:
        self.folder, self.server = folder, server
        self.made = set[str]()
        self.run("main", "git", "init", "--quiet")
        for tag, files in RELEASES.items():
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            self.run("main", "git", "add", "--all")
            self.run("main", "git", "commit", "--quiet", f"--message={tag}")
            self.run("main", "git", "tag", tag)

    def run(
        self, database: str, *told: str | Path, **changed: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command there, where nobody's settings hold."""
        hidden = ("GIT", "PG", "PYTEST", "UV", "VIRTUAL")
        ours = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        inside = {
            "DATABASE_URL": f"postgresql+asyncpg:{self.server.address(database)}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(sys.executable).parent}:{WHEEL}/bin:{os.environ['PATH']}",
            "PGDATABASE": database,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": "postgres",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "UV_CACHE_DIR": f"{self.folder.parent}/uv",
        }
        for who in "AUTHOR", "COMMITTER":
            inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
        return ended([*map(str, told)], cwd=self.folder, env=ours | inside | changed)

    def tell(self, database: str, *statements: str) -> None:
        """Run statements on a database."""
        for statement in statements:
            done = self.run(database, "psql", "--quiet", f"--command={statement}")
            assert not done.stderr, done.stderr

    def take(
        self, session: Session, database: str, path: str, status: int = 0, /, **changed: str
    ) -> list[str]:
        """Run a script that a page shows; return what it said, which the page shows too."""
        begun, script = time.perf_counter(), SNIPPETS / path
        done = self.run(database, "sh", script, **changed)
        assert done.returncode == status, f"{path}: {done.stdout}{done.stderr}"
        session.runs[path] = Run(seconds=time.perf_counter() - begun)
        hold_lines(path.replace(".sh", ".out"), done.stdout.splitlines(), session.updating)
        return done.stdout.splitlines()

    def without(self, program: str) -> str:
        """Return a PATH on which a program fails, and tells that it was called."""
        folder = self.folder.parent / f"without-{program}"
        folder.mkdir(exist_ok=True)
        failing = folder / program
        failing.write_text(f"#!/bin/sh\necho no {program} >&2\nexit 1\n")
        failing.chmod(0o755)
        return f"{folder}:{Path(sys.executable).parent}:{WHEEL}/bin:{os.environ['PATH']}"

    def migrate(self, database: str, tag: str, revision: str) -> None:
        """Make a database, and give it the schema of a revision by the code of a release.

        It is migrated once, and copied from then on: nobody connects to what is copied.
        """
        self.run(database, "git", "switch", "--quiet", "--detach", tag)
        pattern = f"{self.folder.parent.name}_{tag}_{revision}".translate(PLAIN)
        if pattern not in self.made:
            self.tell("postgres", f"CREATE DATABASE {pattern}")
            done = self.run(pattern, "alembic", "upgrade", revision)
            assert done.returncode == 0, done.stderr
            self.made.add(pattern)
        self.tell("postgres", f"CREATE DATABASE {database} TEMPLATE {pattern}")

    def forget(self) -> None:
        """Drop what is copied."""
        self.tell("postgres", *(f"DROP DATABASE {pattern}" for pattern in self.made))
