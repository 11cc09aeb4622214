import asyncio
import os
import time
from collections import Counter

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine


# region the count of the calls
class Count:
    """How many calls use the pool, wait or failed, at each change."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.now = Counter(using=0, waiting=0, failed=0)
        self.seen: list[dict[str, float]] = []

    def change(self, **steps: int) -> None:
        """Note who began or ended to do what."""
        self.now.update(steps)
        took = time.perf_counter() - self.started
        self.seen.append({"time": took, **self.now})


# endregion
async def watch(calls: int, at_once: int) -> list[dict[str, float]]:
    """Run queries; return at each change who uses the pool, waits or failed."""
    engine = create_async_engine(os.environ["DATABASE_URL"], pool_timeout=0.05)
    limit, count = asyncio.Semaphore(at_once), Count()

    async def call() -> None:
        async with limit:
            count.change(waiting=1)
            try:
                async with engine.connect() as connection:
                    count.change(waiting=-1, using=1)
                    await connection.execute(text("SELECT pg_sleep(0.6)"))
                count.change(using=-1)
            except PoolTimeoutError:
                count.change(waiting=-1, failed=1)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(call())
    await engine.dispose()
    return count.seen


async def main() -> None:
    for at_once in 40, 10:
        seen = await watch(calls=40, at_once=at_once)
        used = max(moment["using"] for moment in seen)
        print(f"{at_once} at once: {used} in use, {seen[-1]['failed']} failed")
        #> 40 at once: 15 in use, 25 failed
        #> 10 at once: 10 in use, 0 failed


if __name__ == "__main__":
    asyncio.run(main())
