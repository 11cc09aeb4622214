# region imports
import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from types import FrameType

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

# endregion

stopping = asyncio.Event()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    uvicorns = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopping.set)
        if callable(uvicorns):
            uvicorns(number, frame)

    signal.signal(signal.SIGTERM, stop)
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
