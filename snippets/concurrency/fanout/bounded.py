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
LIMIT = asyncio.Semaphore(10)  # one for the process: all requests share it
Sessions = async_sessionmaker[AsyncSession]


async def fetch(sessions: Sessions, number: int) -> int:
    """Run a query when there is room for it."""
    async with LIMIT, sessions() as session:
        return int(await session.scalar(SQUARE, {"number": number}))


async def fetch_all(sessions: Sessions, numbers: Iterable[int]) -> list[int]:
    """Run a query for each number, at most 10 at a time."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(fetch(sessions, n)) for n in numbers]
    return [task.result() for task in running]


async def main() -> None:
    address = os.environ["DATABASE_URL"]
    engine = create_async_engine(address, pool_timeout=0.05)
    found = await fetch_all(async_sessionmaker(engine), range(40))
    print(f"{len(found)} answers, the last is {found[-1]}")
    #> 40 answers, the last is 1521
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
