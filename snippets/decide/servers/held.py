import asyncio
import os
import re
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

# region the servers, and how each is started
CALLERS = 40
FOLDER = Path(__file__).parent
SERVERS = {  # the places of each, and the options of gunicorn
    "WSGI, 1 thread": (1, ["waits:app"]),
    "WSGI, 4 processes": (4, ["waits:app", "--workers=4"]),
    "WSGI, 20 threads": (20, ["waits:app", "--threads=20"]),
    "ASGI, 1 process": (CALLERS, ["awaits:app", "--worker-class=asgi"]),
}
GUNICORN = ["gunicorn", "--bind=127.0.0.1:0", "--no-control-socket"]
GUNICORN += ["--graceful-timeout=5"]
Served = AsyncIterator[tuple[int, httpx2.AsyncClient]]
LISTENING = re.compile(rb"Listening at: (\S+)")
# endregion


class Held:
    """A remote service that answers no call before `expected` calls wait."""

    def __init__(self, expected: int) -> None:
        self.expected, self.waiting, self.most = expected, 0, 0
        self.full = asyncio.Event()

    async def __call__(self, reader: StreamReader, out: StreamWriter) -> None:
        """Hold a call, then answer it."""
        await reader.readuntil(b"\r\n\r\n")
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        if self.waiting == self.expected:
            # Does one more come? It's asked once.
            await asyncio.sleep(0 if self.full.is_set() else 0.1)
            self.full.set()
        await self.full.wait()
        self.waiting -= 1
        out.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        out.write(b"Content-Length: 2\r\n\r\n42")
        out.close()


# region how a server is started and asked
async def ask(client: httpx2.AsyncClient, callers: int = 1) -> None:
    """Let callers ask our service for the price, all at once."""
    calls = (client.get("/price") for _ in range(callers))
    for answer in await asyncio.gather(*calls):
        answer.raise_for_status()


@asynccontextmanager
async def serve(held: Held, options: list[str]) -> Served:
    """Serve an app with gunicorn; yield its process id and a client of it."""
    remote = await asyncio.start_server(held, "127.0.0.1", 0)
    port = remote.sockets[0].getsockname()[1]
    environment = {**os.environ, "UPSTREAM_URL": f"http://127.0.0.1:{port}"}
    process = await asyncio.create_subprocess_exec(
        *GUNICORN, *options, cwd=FOLDER, env=environment, stderr=PIPE
    )
    try:
        said = process.stderr or StreamReader()
        while not (found := LISTENING.search(await said.readuntil())):
            pass
        url = found[1].decode()
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
            yield process.pid, client
    finally:
        process.terminate()
        await process.communicate()
        remote.close()


# endregion


async def main() -> None:
    for server, (expected, options) in SERVERS.items():
        held = Held(expected)
        async with serve(held, options) as (_, client):
            await ask(client, CALLERS)
        print(f"{server}: {held.most} of {CALLERS} calls wait at once")
        #> WSGI, 1 thread: 1 of 40 calls wait at once
        #> WSGI, 4 processes: 4 of 40 calls wait at once
        #> WSGI, 20 threads: 20 of 40 calls wait at once
        #> ASGI, 1 process: 40 of 40 calls wait at once


if __name__ == "__main__":
    asyncio.run(main())
