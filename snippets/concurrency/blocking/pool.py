import asyncio
import threading

from anyio import to_thread


async def start(calls: int) -> tuple[int, int]:
    """Start calls as FastAPI starts `def` endpoints; count who waits."""
    end = threading.Event()
    pool = to_thread.current_default_thread_limiter()
    running = waiting = 0
    async with asyncio.TaskGroup() as tasks:
        for _ in range(calls):
            tasks.create_task(to_thread.run_sync(end.wait))
        while running + waiting < calls:
            await asyncio.sleep(0.01)
            running = pool.statistics().borrowed_tokens
            waiting = pool.statistics().tasks_waiting
        end.set()
    return running, waiting


async def main() -> None:
    running, waiting = await start(calls=50)
    print(f"running: {running}, waiting: {waiting}")
    #> running: 40, waiting: 10


if __name__ == "__main__":
    asyncio.run(main())
