import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

app = FastAPI()


@app.get("/progress", response_class=EventSourceResponse)
async def progress() -> AsyncIterator[dict[str, int]]:
    parts = []
    for done in (1, 2, 3):
        await asyncio.sleep(1)  # stands for a part of the job
        parts.append({"done": done, "of": 3})
    for part in parts:
        yield part
