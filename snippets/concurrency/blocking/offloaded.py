import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


def render(rows: int) -> str:
    """Stand in for a library that blocks."""
    time.sleep(0.15)
    return f"report of {rows} rows"


@app.get("/report")
async def report() -> str:
    """Await what can be awaited, and give the rest to a thread."""
    await asyncio.sleep(0)
    return await asyncio.to_thread(render, rows=3)


@app.get("/ping")
async def ping() -> str:
    """Answer at once, if the event loop is free."""
    return "pong"
