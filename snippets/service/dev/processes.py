"""The processes of the service, as in production."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

from accounts import urls
from alembic import command
from dev.keeper import Program, kept

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, in this process."""
    config = Config(ROOT / "alembic.ini", attributes={"url": url})
    command.upgrade(config, revision)


def missing(url: str) -> list[str]:
    """Return the revisions that a database lacks, each with what it does.

    Nothing is changed. Raises `LookupError` for a database of a newer release.
    """
    config = Config(ROOT / "alembic.ini")
    script = ScriptDirectory.from_config(config)
    at = asyncio.run(revision_of(url))
    known = {one.revision: one for one in script.walk_revisions()}
    if at and at not in known:
        raise LookupError(f"This code doesn't know the revision {at} of your database.")
    done = {one.revision for one in script.iterate_revisions(at, "base")} if at else {}
    return [f"{name} {one.doc}" for name, one in known.items() if name not in done][
        ::-1
    ]


async def revision_of(url: str) -> str | None:
    """Return the revision of a database, or None where it has none."""
    connection = await asyncpg.connect(urls.database(url))
    try:
        there = await connection.fetchval("SELECT to_regclass('alembic_version')")
        asked = "SELECT version_num FROM alembic_version"
        at: str | None = await connection.fetchval(asked) if there else None
        return at
    finally:
        await connection.close()


def gunicorn(
    environment: Mapping[str, str],
    port: int,
    log: IO[bytes] | None = None,
    files: str = "",
) -> AbstractContextManager[Program]:
    """Serve with two processes, as the image does, which may open so many files."""
    bind = f"--bind=127.0.0.1:{port}"
    program = [PYTHON, "-m", "gunicorn", f"--config={ROOT}/gunicorn.conf.py", bind]
    if files:
        program = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', files, *program]
    return kept(program, environment=environment, log=log)


def uvicorn(
    environment: Mapping[str, str],
    port: int,
    log: IO[bytes] | None = None,
    app: str = "accounts.main:create_app",
) -> AbstractContextManager[Program]:
    """Serve with one process."""
    program = [PYTHON, "-m", "uvicorn", "--factory", app, f"--port={port}"]
    limits = ["--timeout-graceful-shutdown=20", "--timeout-keep-alive=75"]
    return kept([*program, *limits], environment=environment, log=log)


def worker(
    environment: Mapping[str, str], log: IO[bytes] | None = None
) -> AbstractContextManager[Program]:
    """Work on what the broker hands out, two tasks at a time."""
    program = [
        PYTHON,
        "-m",
        "celery",
        "--app=accounts.broker:celery",
        "--quiet",
        "worker",
    ]
    options = ["--concurrency=2", "--without-gossip", "--without-mingle"]
    return kept([*program, *options], environment=environment, log=log)


def scheduler(
    environment: Mapping[str, str], log: IO[bytes] | None = None
) -> AbstractContextManager[Program]:
    """Do the jobs that are due from time to time."""
    return kept([PYTHON, "-m", "accounts.scheduler"], environment=environment, log=log)


def relay(
    environment: Mapping[str, str], log: IO[bytes] | None = None
) -> AbstractContextManager[Program]:
    """Hand over what waits in the outbox."""
    return kept([PYTHON, "-m", "accounts.relay"], environment=environment, log=log)
