import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

app = FastAPI()
readers: set[str] = set()


@app.get("/ticks/{reader}", response_class=EventSourceResponse)
async def ticks(reader: str) -> AsyncIterator[str]:
    """Send an event now and then, for as long as the reader stays."""
    readers.add(reader)
    try:
        while True:
            yield "tick"
            await asyncio.sleep(0.05)
    finally:
        readers.remove(reader)


@app.get("/readers")
async def who_reads() -> list[str]:
    """Return who reads the stream now."""
    return sorted(readers)
