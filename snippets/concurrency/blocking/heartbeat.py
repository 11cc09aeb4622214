import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

NAP = 0.2  # seconds


# region three ways to sleep
async def awaited() -> None:
    """Sleep in the event loop."""
    await asyncio.sleep(NAP)


async def threaded() -> None:
    """Sleep in a thread."""
    await asyncio.to_thread(time.sleep, NAP)


def nap() -> None:
    """Hide the call that blocks from the linter."""
    time.sleep(NAP)


async def blocked() -> None:
    """Sleep in the thread of the event loop."""
    nap()


# endregion


async def turns(work: Callable[[], Awaitable[None]]) -> list[float]:
    """Return when the event loop turned during `work`, in seconds."""
    times = [0.0]
    started = time.perf_counter()
    task = asyncio.ensure_future(work())
    while not task.done():
        await asyncio.sleep(0.01)
        times.append(time.perf_counter() - started)
    await task  # or what it raised is lost
    return times


def longest_silence(times: list[float]) -> float:
    """Return the longest time between two turns, in seconds."""
    return max(after - before for before, after in itertools.pairwise(times))


async def main() -> None:
    for way in awaited, threaded, blocked:
        silence = longest_silence(await turns(way))
        print(way.__name__, "stalls the loop:", silence >= NAP)
        #> awaited stalls the loop: False
        #> threaded stalls the loop: False
        #> blocked stalls the loop: True


if __name__ == "__main__":
    asyncio.run(main())
