import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


async def race(engine: AsyncEngine, *calls: Coroutine[Any, Any, Any]) -> Any:
    """Let each call run a statement before any call runs its second.

    The calls go on once one of them waits for a lock, or ended.
    """
    watching = create_async_engine(engine.url, isolation_level="AUTOCOMMIT")
    tasks = [asyncio.create_task(call) for call in calls]
    with held(engine, watching, tasks):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    await watching.dispose()
    return results


# region what holds a second statement
WAITING = text("""
SELECT count(*) FROM pg_stat_activity
WHERE pid = ANY(CAST(:pids AS int[])) AND wait_event_type = 'Lock'
""")


@contextmanager
def held(
    engine: AsyncEngine, watching: AsyncEngine, tasks: list[asyncio.Task[Any]]
) -> Iterator[None]:
    begun, pids = set[object](), set[int]()

    async def meet(_: object) -> None:
        async with watching.connect() as beside:
            while len(begun) < len(tasks) and not any(t.done() for t in tasks):
                if await beside.scalar(WAITING, {"pids": [*pids]}):
                    break

    def before(connection: Any, *_: object) -> None:
        lent = connection.connection.dbapi_connection
        pids.add(lent.driver_connection.get_server_pid())
        if connection in begun and len(begun) < len(tasks):
            lent.run_async(meet)

    def after(connection: Any, *_: object) -> None:
        begun.add(connection)

    told = {"before_cursor_execute": before, "after_cursor_execute": after}
    for name, listener in told.items():
        event.listen(engine.sync_engine, name, listener)
    yield
    for name, listener in told.items():
        event.remove(engine.sync_engine, name, listener)


# endregion


async def main() -> None:
    engine, ran = create_async_engine(os.environ["DATABASE_URL"]), list[str]()

    async def call() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 'a first statement'"))
            ran.append("first")
            await connection.execute(text("SELECT 'a second statement'"))
            ran.append("second")

    await race(engine, call(), call())
    print(ran)
    #> ['first', 'first', 'second', 'second']
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
