import asyncio
import os
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import NullPool

Sessions = async_sessionmaker[AsyncSession]
Work = Callable[[Sessions], Awaitable[object]]


async def shares_a_session(work: Work) -> bool:
    """Tell whether tasks of `work` share a session."""
    engine = create_async_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
    shared = False
    try:
        await work(async_sessionmaker(engine))
    except* InvalidRequestError as group:
        if group.split(lambda error: getattr(error, "code", "") == "isce")[1]:
            raise  # it is another error
        shared = True
    return shared


# region two ways to run two queries, to try it on
async def hasty(sessions: Sessions) -> None:
    """Run two queries at once in one session."""
    async with sessions() as session, asyncio.TaskGroup() as tasks:
        tasks.create_task(session.execute(text("SELECT 1")))
        tasks.create_task(session.execute(text("SELECT 2")))


async def patient(sessions: Sessions) -> None:
    """Run two queries in one session, one after the other."""
    async with sessions() as session:
        await session.execute(text("SELECT 1"))
        await session.execute(text("SELECT 2"))


# endregion


async def main() -> None:
    print(await shares_a_session(hasty), await shares_a_session(patient))
    #> True False


if __name__ == "__main__":
    asyncio.run(main())
