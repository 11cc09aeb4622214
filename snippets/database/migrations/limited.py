import os

from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

LIMITS = {"lock_timeout": "3s"}


def create_engine() -> AsyncEngine:
    """Return the engine over which Alembic runs the migrations."""
    return create_async_engine(
        os.environ["DATABASE_URL"],
        connect_args={"server_settings": LIMITS},
        poolclass=NullPool,
    )
