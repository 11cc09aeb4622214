# region imports
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

# endregion
LIMIT = 5.0  # seconds that a query may take, however many requests wait for it


class Gathered:
    """Requests that come while a user's total is read share that read.

    One in each process: Gathered(partial(total, cache, engine))
    """

    def __init__(self, load: Callable[[int], Coroutine[Any, Any, int]]) -> None:
        self.load, self.running = load, dict[int, asyncio.Task[int]]()

    async def total(self, user_id: int) -> int:
        """Return what a user's orders come to."""
        task = self.running.get(user_id)
        if task is None:
            task = asyncio.create_task(self.limited(user_id))
            self.running[user_id] = task
            task.add_done_callback(lambda _: self.running.pop(user_id))
        return await asyncio.shield(task)

    async def limited(self, user_id: int) -> int:
        async with asyncio.timeout(LIMIT):
            return await self.load(user_id)
