import asyncio
import os
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

SQUARE = text("SELECT CAST(:number AS integer) ^ 2 FROM pg_sleep(0.1)")
Sessions = async_sessionmaker[AsyncSession]


async def fetch(sessions: Sessions, number: int) -> int:
    """Run a query as soon as the pool has a connection."""
    async with sessions() as session:
        return int(await session.scalar(SQUARE, {"number": number}))


async def fetch_all(sessions: Sessions, numbers: Iterable[int]) -> list[int]:
    """Run a query for each number, all at once."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(fetch(sessions, n)) for n in numbers]
    return [task.result() for task in running]


async def main() -> None:
    address = os.environ["DATABASE_URL"]
    engine = create_async_engine(address, pool_timeout=0.05)
    try:
        await fetch_all(async_sessionmaker(engine), range(40))
    except ExceptionGroup as group:
        first, *_ = group.exceptions
        print(str(first).partition(",")[0])
        #> QueuePool limit of size 5 overflow 10 reached
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
