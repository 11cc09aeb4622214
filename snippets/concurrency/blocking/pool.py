import asyncio
import time

from anyio import to_thread


def fetch() -> None:
    """Stand in for a call that blocks."""
    time.sleep(0.1)


async def start(calls: int) -> tuple[int, int]:
    """Start calls as FastAPI starts `def` endpoints; count those that run and wait."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(to_thread.run_sync(fetch))
        await asyncio.sleep(0.02)
        threads = to_thread.current_default_thread_limiter().statistics()
    return threads.borrowed_tokens, threads.tasks_waiting


async def main() -> None:
    running, waiting = await start(calls=50)
    print(f"running: {running}, waiting: {waiting}")
    #> running: 40, waiting: 10


if __name__ == "__main__":
    asyncio.run(main())
