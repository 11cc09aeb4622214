"""Run migrations on the database of DATABASE_URL."""

import asyncio
from functools import partial

import asyncpg
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from accounts import startup, urls
from accounts.config import MigrationSettings
from accounts.database import DIALECT, direct_url
from accounts.models import Base
from alembic import context


# --8<-- [start:migrate]
def migrate(connection: Connection) -> None:
    """Run the migrations that were asked for, each in a transaction of its own.

    So none holds a lock for as long as the next one takes.
    """
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate(url: str) -> None:
    """Run the migrations over the driver that the service uses.

    A migration that waits for a lock makes all later queries wait behind it, so it
    gives up after three seconds and can be run again.
    """
    limits = {"lock_timeout": "3s", "application_name": "accounts-alembic"}
    engine = create_async_engine(
        DIALECT,
        async_creator=partial(asyncpg.connect, url, server_settings=limits),
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


# --8<-- [end:migrate]

given = context.config.attributes.get("url")
if context.is_offline_mode():
    context.configure(url=DIALECT, literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
elif given:
    asyncio.run(connect_and_migrate(urls.database(given)))
else:
    asyncio.run(connect_and_migrate(direct_url(startup.read(MigrationSettings))))
