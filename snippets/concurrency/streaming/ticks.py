import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.sse import EventSourceResponse

app = FastAPI()
readers: list[str] = []
TICK, PAUSE = "tick", 0.05  # seconds


async def seat(reader: str) -> AsyncIterator[None]:
    """Hold a seat for as long as the reader stays."""
    readers.append(reader)
    try:
        yield
    finally:
        readers.remove(reader)


@app.get("/ticks/{reader}", response_class=EventSourceResponse)
async def ticks(_: Annotated[None, Depends(seat)]) -> AsyncIterator[str]:
    """Send an event now and then, for as long as the reader stays."""
    while True:
        yield TICK
        await asyncio.sleep(PAUSE)


@app.get("/readers")
async def who_reads() -> list[str]:
    return sorted(readers)
