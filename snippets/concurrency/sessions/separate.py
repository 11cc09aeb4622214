import asyncio
import os
import time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

COUNT = text("SELECT count(*) FROM generate_series(1, :rows), pg_sleep(0.3)")
Sessions = async_sessionmaker[AsyncSession]


async def count(sessions: Sessions, rows: int) -> int:
    """Run a slow query in a session of its own."""
    async with sessions() as session:
        return await session.scalar(COUNT, {"rows": rows}) or 0


async def summary(sessions: Sessions) -> tuple[int, int]:
    """Run two queries at once."""
    async with asyncio.TaskGroup() as tasks:
        posts = tasks.create_task(count(sessions, 12))
        likes = tasks.create_task(count(sessions, 345))
    return posts.result(), likes.result()


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    sessions = async_sessionmaker(engine)
    print(await summary(sessions))  # the first call opens the connections
    #> (12, 345)
    started = time.perf_counter()
    await summary(sessions)
    took = time.perf_counter() - started
    print("less than one after the other:", took < 0.6)
    #> less than one after the other: True
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
