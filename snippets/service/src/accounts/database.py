"""The engine and its sessions."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, ExceptionContext, Pool, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from accounts.config import MigrationSettings, Settings

DIALECT = "postgresql+asyncpg://"
"""What SQLAlchemy speaks; asyncpg reads the address, which may ask for TLS."""
NO_CONNECTION = OSError, asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched
LOST = *NO_CONNECTION, asyncpg.InterfaceError, asyncpg.InternalClientError
"""Errors of a query whose connection is gone.

The last one is raised between the server's farewell and the end of the connection.
"""
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # another server took over
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.StatementCompletionUnknownError,
)
PASSING = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,  # a migration changed a column's type
)
"""Errors after which nothing is left of the transaction, and a second may succeed."""
LARGEST_ID = 2**63 - 1
"""The largest id that a column of type bigint holds."""
READY_WITHIN = 1.0
"""Seconds in which the database answers a query, or is not ready."""
T = TypeVar("T")
log = structlog.get_logger()
Sessions = async_sessionmaker[AsyncSession]
"""Makes a session for each request or task."""


# --8<-- [start:limits]
def limits_of(settings: Settings) -> dict[str, str]:
    """Return how long the server lets a connection wait, hold and compute."""
    limits = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "idle_in_transaction_session_timeout": settings.idle_timeout,
    }
    told = {name: f"{round(seconds * 1000)}ms" for name, seconds in limits.items()}
    return {**told, "application_name": f"accounts-{program()}"}


def program() -> str:
    """Return the name of the program that runs, such as `gunicorn` or `relay`."""
    path = Path(sys.argv[0])
    return (path.parent.name if path.stem == "__main__" else path.stem)[:40]


# --8<-- [end:limits]


# --8<-- [start:engine]
async def connect(
    settings: Settings, *, direct: bool = False
) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a connection on which each wait ends, or raise `ConnectionError`.

    A transaction pooler takes no limits at the start, and keeps no statement for the
    next transaction; `direct` goes past it.
    """
    past, pooled = settings.direct_database_url, is_pooled(settings) and not direct
    url = past if past and direct else settings.database_url
    limits = limits_of(settings)
    told = {name: limits[name] for name in limits if name == "application_name"}
    try:
        return await asyncpg.connect(
            url.get_secret_value(),
            timeout=settings.connect_timeout,
            command_timeout=settings.statement_timeout,
            server_settings=told if pooled else limits,
            statement_cache_size=0 if pooled else 100,
        )
    except NO_CONNECTION as error:
        raise ConnectionError(str(error)) from error


# --8<-- [start:pool]
def create_engine(settings: Settings, pool: type[Pool] | None = None) -> AsyncEngine:
    """Return an engine; it opens no connection before the first query.

    A connection that died while it was idle is replaced before a query sees it.
    Each wait ends: for a place in the pool, for the server, and for a statement.
    A server that became read-only is left: another one took over.
    """
    limits = {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_overflow,
        "pool_timeout": settings.pool_timeout,
        "pool_pre_ping": True,
    }
    engine = create_async_engine(
        DIALECT,
        async_creator=partial(connect, settings),
        hide_parameters=True,
        **({"poolclass": pool} if pool else limits),
    )
    event.listen(engine.sync_engine, "handle_error", leave_read_only)
    if is_pooled(settings):
        event.listen(engine.sync_engine, "begin", partial(limit, limits_of(settings)))
    return engine


# --8<-- [end:pool]
def leave_read_only(context: ExceptionContext) -> None:
    """Close the connections to a server that became read-only."""
    if isinstance(
        root(context.original_exception), asyncpg.ReadOnlySQLTransactionError
    ):
        context.is_disconnect = True


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return what makes sessions, whose rows can be read after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


# --8<-- [end:engine]


# --8<-- [start:pooled]
def is_pooled(settings: Settings) -> bool:
    """Tell whether a transaction pooler stands between: then there is a way past it."""
    return settings.direct_database_url is not None


def limit(limits: dict[str, str], connection: Connection) -> None:
    """Set the limits for one transaction."""
    told = ", ".join(f"set_config('{name}', '{limits[name]}', true)" for name in limits)
    connection.exec_driver_sql(f"SELECT {told}")


# --8<-- [end:pooled]


def direct_url(settings: MigrationSettings) -> str:
    """Return the address that leads to the server itself."""
    url = settings.direct_database_url or settings.database_url
    return url.get_secret_value()


def is_unreachable(error: Exception) -> bool:
    """Tell whether a query failed because the database is away, too slow or busy."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(root(error), AWAY + PASSING)
    return isinstance(error, (PoolTimeoutError, ConnectionError, TimeoutError))


def is_passing(error: Exception) -> bool:
    """Tell whether the transaction was undone and can be tried again at once."""
    return isinstance(error, DBAPIError) and isinstance(root(error), PASSING)


def root(error: BaseException) -> BaseException:
    """Return what an error was raised from in the end."""
    while error.__cause__:
        error = error.__cause__
    return error


class Probe:
    """Asks the database whether it answers, over a connection that no request takes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection: asyncpg.Connection[asyncpg.Record] | None = None
        self.asking: asyncio.Task[None] | None = None

    async def is_answered(self) -> bool:
        """Tell whether there is an answer within `READY_WITHIN`; all who ask share it.

        An answer that is there counts, however late this process comes to read it.
        """
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self.ask())
        await asyncio.wait([self.asking], timeout=READY_WITHIN)
        error = self.asking.exception() if self.asking.done() else TimeoutError()
        if error:
            log.warning("database_not_ready", error=type(root(error)).__name__)
        return error is None

    async def ask(self) -> None:
        """Return once the database answered; a connection that was lost is replaced."""
        if self.connection and not self.connection.is_closed():
            with contextlib.suppress(*LOST):
                await self.connection.execute("SELECT 1")
                return
            self.connection.terminate()
        self.connection = await connect(self.settings)
        await self.connection.execute("SELECT 1")

    def close(self) -> None:
        """Close the connection, whatever it waits for."""
        if self.asking:
            self.asking.cancel()
        if self.connection:
            self.connection.terminate()


async def ask(
    sessions: Sessions, query: Callable[[AsyncSession], Awaitable[T]]
) -> T | None:
    """Return the answer to a query, or None when there is none within `READY_WITHIN`.

    For what must be answered whether or not the database is ready.
    """
    try:
        async with asyncio.timeout(READY_WITHIN), sessions() as session:
            return await query(session)
    except (SQLAlchemyError, OSError) as error:
        log.warning("database_not_ready", error=type(root(error)).__name__)
        return None
