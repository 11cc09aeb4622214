"""The tables of a snippet on a database, with rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.schema import CreateSchema, DropSchema

WAITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@asynccontextmanager
async def filled(
    snippet: ModuleType, database: str, *rows: object, **options: Any
) -> AsyncIterator[AsyncEngine]:
    """Give an engine whose database has a snippet's tables with some rows, and no others."""
    engine = create_async_engine(database, **options)
    async with engine.begin() as connection:
        await connection.execute(DropSchema(snippet.SCHEMA, cascade=True, if_exists=True))
        await connection.execute(CreateSchema(snippet.SCHEMA))
        await connection.run_sync(snippet.Base.metadata.create_all)
    async with async_sessionmaker(engine).begin() as session:
        session.add_all(rows)
    try:
        yield engine
    finally:
        await engine.dispose()


async def stored(engine: AsyncEngine, snippet: ModuleType, what: str) -> list[Any]:
    """Return what a query of a snippet's tables gives."""
    async with engine.connect() as connection:
        return list(await connection.scalars(text(what.format(snippet.SCHEMA))))
