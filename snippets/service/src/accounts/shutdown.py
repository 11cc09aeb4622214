"""What must happen when the process is told to stop, before the server waits."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = signal.SIGTERM, signal.SIGINT


# --8<-- [start:on_stop]
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


# --8<-- [end:on_stop]
