import asyncio
import os
import time

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

Moment = dict[str, float]


async def watch(calls: int, at_once: int) -> list[Moment]:
    """Run queries; return at each change who uses the pool, waits or failed."""
    engine = create_async_engine(os.environ["DATABASE_URL"], pool_timeout=0.05)
    limit = asyncio.Semaphore(at_once)
    started = time.perf_counter()
    now: Moment = {"using": 0, "waiting": 0, "failed": 0}
    seen: list[Moment] = []

    def change(**steps: int) -> None:
        for name, step in steps.items():
            now[name] += step
        seen.append({"time": time.perf_counter() - started, **now})

    async def call() -> None:
        async with limit:
            change(waiting=1)
            try:
                async with engine.connect() as connection:
                    change(waiting=-1, using=1)
                    await connection.execute(text("SELECT pg_sleep(0.6)"))
                change(using=-1)
            except PoolTimeoutError:
                change(waiting=-1, failed=1)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(call())
    await engine.dispose()
    return seen


async def main() -> None:
    for at_once in 40, 10:
        seen = await watch(calls=40, at_once=at_once)
        used = max(moment["using"] for moment in seen)
        print(f"{at_once} at once: {used} in use, {seen[-1]['failed']} failed")
        #> 40 at once: 15 in use, 25 failed
        #> 10 at once: 10 in use, 0 failed


if __name__ == "__main__":
    asyncio.run(main())
