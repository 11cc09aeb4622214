# region imports
import asyncio
import signal
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

# endregion

stopping = asyncio.Event()
app = FastAPI()


@app.get("/orders/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[str]:
    yield "open"
    await stopping.wait()
    yield "closing"


async def serve(port: int = 8000) -> None:
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    config = uvicorn.Config(app, port=port, timeout_graceful_shutdown=20)
    await uvicorn.Server(config).serve()
