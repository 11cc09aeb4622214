"""The engine and its sessions."""

from functools import partial

import asyncpg
from sqlalchemy import Pool, text
from sqlalchemy.exc import DBAPIError
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
LARGEST_ID = 2**63 - 1
"""The largest id that a column of type bigint holds."""
Sessions = async_sessionmaker[AsyncSession]
"""Makes a session for each request or task."""


# --8<-- [start:engine]
async def connect(settings: Settings) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a connection to the database, on which each wait ends."""
    return await asyncpg.connect(
        settings.database_url.get_secret_value(),
        timeout=settings.connect_timeout,
        command_timeout=settings.statement_timeout,
    )


def create_engine(settings: Settings, pool: type[Pool] | None = None) -> AsyncEngine:
    """Return an engine; it opens no connection before the first query.

    A connection that died while it was idle is replaced before a query sees it.
    Each wait ends: for a place in the pool, for the server, and for a statement.
    """
    limits = {
        "pool_size": settings.pool_size,
        "max_overflow": settings.pool_overflow,
        "pool_timeout": settings.pool_timeout,
        "pool_pre_ping": True,
    }
    return create_async_engine(
        DIALECT,
        async_creator=partial(connect, settings),
        hide_parameters=True,
        **({"poolclass": pool} if pool else limits),
    )


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return what makes sessions, whose rows can be read after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


# --8<-- [end:engine]


def is_unreachable(error: Exception) -> bool:
    """Tell whether a query failed because the database is away or too slow."""
    if isinstance(error, DBAPIError):
        away = asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError
        cause = error.orig.__cause__ if error.orig else None
        return error.connection_invalidated or isinstance(cause, away)
    return isinstance(error, (PoolTimeoutError, OSError, asyncpg.PostgresError))


async def answers(sessions: Sessions) -> bool:
    """Tell whether the database answers a query."""
    try:
        async with sessions() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        if is_unreachable(error):
            return False
        raise
    return True
