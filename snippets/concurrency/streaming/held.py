import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

app = FastAPI()
readers: list[str] = []
TICK, PAUSE = "tick", 0.05  # seconds


@app.get("/ticks/{reader}", response_class=EventSourceResponse)
async def ticks(reader: str) -> AsyncIterator[str]:
    """Hold a seat in the generator, and send an event now and then."""
    readers.append(reader)
    try:
        while True:
            yield TICK
            await asyncio.sleep(PAUSE)
    finally:
        readers.remove(reader)


@app.get("/readers")
async def who_reads() -> list[str]:
    return sorted(readers)
