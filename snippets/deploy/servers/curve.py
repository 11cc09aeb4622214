"""Print a curve for each endpoint: `curve.py load:app /calculate /wait`."""

# region imports, and how the server is started
import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

LISTENING = re.compile(rb"Listening at: (\S+)")
GUNICORN = ["--bind=127.0.0.1:0", "--worker-class=asgi", "--no-control-socket"]
GUNICORN += ["--graceful-timeout=1"]
# A connection for each call, so that a process that is busy takes none.
ANEW = httpx2.Limits(max_keepalive_connections=0)
CALLERS = 20


@asynccontextmanager
async def serve(app: str, processes: int) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve an app by some processes; yield a client of it."""
    options = [*GUNICORN, f"--workers={processes}"]
    server = await asyncio.create_subprocess_exec(
        "gunicorn", app, *options, stderr=PIPE
    )
    try:
        said = server.stderr or asyncio.StreamReader()
        while not (found := LISTENING.search(await said.readuntil())):
            pass
        url = found[1].decode()
        async with httpx2.AsyncClient(
            base_url=url, limits=ANEW, timeout=60
        ) as client:
            yield client
    finally:
        server.terminate()
        await server.communicate()


# endregion
async def rate(app: str, path: str, processes: int, seconds: float) -> float:
    """Return how many calls a second some processes answer."""
    answered, now = 0, asyncio.get_running_loop().time

    async def call_again_and_again() -> None:
        nonlocal answered
        while True:
            (await client.get(path)).raise_for_status()
            answered += 1

    async with serve(app, processes) as client, asyncio.TaskGroup() as group:
        callers = [
            group.create_task(call_again_and_again()) for _ in range(CALLERS)
        ]
        await asyncio.sleep(seconds)  # until each process serves
        before, begun = answered, now()
        await asyncio.sleep(seconds)  # for so long they are counted
        found = (answered - before) / (now() - begun)
        for caller in callers:
            caller.cancel()
    return found


# region the curve, and the program
async def curve(app: str, path: str, seconds: float = 3) -> list[float]:
    """Return the calls a second by 1 to 4 processes, over those by 1."""
    rates = [await rate(app, path, each, seconds) for each in (1, 2, 3, 4)]
    return [round(each / rates[0], 1) for each in rates]


if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(path, asyncio.run(curve(sys.argv[1], path)))
# endregion
