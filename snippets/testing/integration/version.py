# region imports, and the sessions of your tests
import os
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

Sessions = async_sessionmaker[AsyncSession]
URL = os.environ["DATABASE_URL"]


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    engine = create_async_engine(URL)
    yield async_sessionmaker(engine)
    await engine.dispose()


# endregion
PRODUCTION = ("postgresql", 18)  # the major version that you deploy


async def test_the_database_is_that_of_production(sessions: Sessions) -> None:
    async with sessions() as session:
        dialect = (await session.connection()).dialect
    major, *_ = dialect.server_version_info or (0,)
    found = dialect.name, major
    assert found == PRODUCTION, found  # noqa: S101  it is a test
