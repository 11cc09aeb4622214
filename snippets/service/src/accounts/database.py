"""The engine and its sessions."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import asyncpg
import structlog
from sqlalchemy import ExceptionContext, Pool, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from accounts.config import Settings

DIALECT = "postgresql+asyncpg://"
"""What SQLAlchemy speaks; asyncpg reads the address, which may ask for TLS."""
NO_CONNECTION = OSError, asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # another server took over
)
LARGEST_ID = 2**63 - 1
"""The largest id that a column of type bigint holds."""
READY_WITHIN = 1.0
"""Seconds in which the database answers a query, or is not ready."""
T = TypeVar("T")
log = structlog.get_logger()
Sessions = async_sessionmaker[AsyncSession]
"""Makes a session for each request or task."""


# --8<-- [start:engine]
async def connect(settings: Settings) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a connection on which each wait ends, or raise `ConnectionError`."""
    try:
        return await asyncpg.connect(
            settings.database_url.get_secret_value(),
            timeout=settings.connect_timeout,
            command_timeout=settings.statement_timeout,
        )
    except NO_CONNECTION as error:
        raise ConnectionError(str(error)) from error


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
    return engine


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


def is_unreachable(error: Exception) -> bool:
    """Tell whether a query failed because the database is away or too slow."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(root(error), AWAY)
    return isinstance(error, (PoolTimeoutError, ConnectionError, TimeoutError))


def root(error: BaseException) -> BaseException:
    """Return what an error was raised from in the end."""
    while error.__cause__:
        error = error.__cause__
    return error


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
