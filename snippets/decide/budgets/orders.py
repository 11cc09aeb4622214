import asyncio
import itertools

import psutil
from fastapi import FastAPI

app = FastAPI()
calls = itertools.count()


@app.get("/orders")
async def orders() -> list[str]:
    """Hold every twentieth caller for two seconds, as a full pool does."""
    if next(calls) % 20 == 0:
        await asyncio.sleep(2)
    return ["tea", "coffee"]


@app.get("/memory")
async def memory() -> float:
    """Tell the memory of this process, in MiB."""
    return psutil.Process().memory_info().rss / 2**20
