import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Gathered:
    """Requests that come while a user's total is read share that read."""

    def __init__(self, load: Callable[[int], Coroutine[Any, Any, int]]) -> None:
        self.load, self.running = load, dict[int, asyncio.Task[int]]()

    async def total(self, user_id: int) -> int:
        """Return what a user's orders come to."""
        task = self.running.get(user_id)
        if task is None:
            task = asyncio.create_task(self.load(user_id))
            self.running[user_id] = task
            task.add_done_callback(lambda _: self.running.pop(user_id))
        return await asyncio.shield(task)
