import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

COUNT = text("SELECT count(*) FROM generate_series(1, :rows), pg_sleep(0.3)")
Sessions = async_sessionmaker[AsyncSession]


async def count(session: AsyncSession, rows: int) -> int:
    """Run a slow query in the caller's session."""
    return await session.scalar(COUNT, {"rows": rows}) or 0


async def summary(sessions: Sessions) -> tuple[int, int]:
    """Run two queries at once, in one session."""
    async with sessions() as session, asyncio.TaskGroup() as tasks:
        posts = tasks.create_task(count(session, 12))
        likes = tasks.create_task(count(session, 345))
    return posts.result(), likes.result()


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    try:
        await summary(async_sessionmaker(engine))
    except ExceptionGroup as group:
        print(str(group.exceptions[0]).partition(";")[0])
        #> This session is provisioning a new connection
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
