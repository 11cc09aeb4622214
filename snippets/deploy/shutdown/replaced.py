# region imports
import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

# endregion

stopping = asyncio.Event()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/orders/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[str]:
    yield "open"
    await stopping.wait()
    yield "closing"


async def serve(port: int = 8000) -> None:
    config = uvicorn.Config(app, port=port, timeout_graceful_shutdown=20)
    await uvicorn.Server(config).serve()
