# region imports
import os

from sqlalchemy.ext.asyncio import create_async_engine

# endregion
PRODUCTION = ("postgresql", 18)  # the major version that you deploy


async def test_the_database_is_that_of_production() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.connect():
        major, *_ = engine.dialect.server_version_info or (0,)
    await engine.dispose()
    found = engine.dialect.name, major
    assert found == PRODUCTION, found  # noqa: S101  it is a test
