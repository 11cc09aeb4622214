import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

app = FastAPI()


class Progress(BaseModel):
    """How far a job is."""

    done: int
    of: int


async def rows() -> AsyncIterator[int]:
    """Stand in for rows that arrive one after the other."""
    for number in range(1, 4):
        await asyncio.sleep(0.1)
        yield number


@app.get("/progress", response_class=EventSourceResponse)
async def progress() -> AsyncIterator[Progress]:
    """Send the events, once all are there."""
    numbers = [number async for number in rows()]
    for number in numbers:
        yield Progress(done=number, of=3)
