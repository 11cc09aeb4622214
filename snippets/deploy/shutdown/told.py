# region imports, and `on_stop` as above
import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse

SIGNALS = signal.SIGTERM, signal.SIGINT


@contextlib.contextmanager
def on_stop(call: Callable[[], None]) -> Iterator[None]:
    """Run a function in the loop at SIGTERM or SIGINT; then stop as before.

    A server waits for its streams to end before it tells the app that it
    stops, so an app that would end them then waits forever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # a server in a thread gets no signals
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        signal.signal(number, handlers[signal.Signals(number)])
        signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


# endregion

stopping = asyncio.Event()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    with on_stop(stopping.set):
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
