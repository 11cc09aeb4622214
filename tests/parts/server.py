"""A uvicorn process that serves a snippet's app, as in production but for its start.

It is forked, so that it starts warm, and reports the lines that it ran to the test's coverage.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import coverage
import psutil
import uvicorn

HANG = 30.0  # seconds after which a server doesn't end by itself
QUIET: dict[str, Any] = {"log_level": "warning", "access_log": False}


@dataclass
class Server:
    """A server that runs: its address, its process, and what it wrote."""

    url: str
    pid: int
    log: Path
    status: int | None = None

    def stop(self) -> bool:
        """Send SIGTERM; tell whether the process ended by itself, and end it if it hangs."""
        process = psutil.Process(self.pid)
        process.terminate()
        try:
            self.status = process.wait(HANG)
        except psutil.TimeoutExpired:
            process.kill()
            self.status = process.wait()
            return False
        return True


def listener() -> socket.socket:
    """Return a socket that listens on a free port of the loopback interface.

    It names its protocol: only then asyncio sends each write at once, without Nagle's algorithm.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def commanded(folder: Path, *arguments: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Serve an app by uvicorn's command in a folder; yield its address and its process."""
    port = free_port()
    url, command = f"http://127.0.0.1:{port}", ["uvicorn", *arguments, f"--port={port}"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = iter(process.stdout.readline, "")
            assert any(f"Uvicorn running on {url}" in line for line in said)
            yield url, process
        finally:
            process.kill()  # or a failure waits for it


@dataclass
class Beside:
    """A server in the event loop of its clients: its address, and what tells it to end."""

    url: str
    uvicorn: uvicorn.Server
    served: asyncio.Task[None]

    def end(self) -> None:
        """Tell it to end, as SIGTERM does."""
        self.uvicorn.should_exit = True


@asynccontextmanager
async def beside(app: Any, **options: Any) -> AsyncIterator[Beside]:
    """Serve an ASGI app with uvicorn in this event loop, so that both have one clock."""
    options = {"timeout_graceful_shutdown": 0, **options}
    with listener() as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, **QUIET, **options))
        served = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield Beside(f"http://127.0.0.1:{listening.getsockname()[1]}", server, served)
        finally:
            server.should_exit = True
            await served


def asked(app: Any, *requests: str) -> list[tuple[int, str, str]]:
    """Return the status, the type and the text of the answers to requests such as `GET /`."""

    async def answers() -> list[tuple[int, str, str]]:
        found = list[tuple[int, str, str]]()
        async with (
            beside(app, timeout_graceful_shutdown=20) as server,
            aiohttp.ClientSession(server.url) as client,
        ):
            for method, path in map(str.split, requests):
                async with client.request(method, path) as answer:
                    found.append((answer.status, answer.content_type, await answer.text()))
        return found

    return asyncio.run(answers())


def status_of(app: Any, request: str) -> int:
    """Return the status of the answer to a request such as `GET /`."""
    return asked(app, request)[0][0]


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[Server]:
    """Serve an ASGI app with uvicorn on a free port of the loopback interface."""
    with (
        tempfile.TemporaryDirectory(prefix="server-") as folder,
        listener() as listening,
    ):
        log, lines = Path(folder, "log"), Path(folder, "lines")
        ours, its = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(its)
            serve(app, listening, ours, log, lines, options)
        os.close(ours)
        server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}", pid, log)
        try:
            yield server
        finally:
            if server.status is None:
                server.stop()
            os.close(its)
            active = coverage.Coverage.current()
            if lines.exists() and active:
                active.get_data().add_lines(json.loads(lines.read_text()))


def serve(
    app: Any, listening: socket.socket, parent: int, log: Path, lines: Path, options: dict[str, Any]
) -> None:
    """Run uvicorn in the child until it is told to stop, then report and end the process."""
    status = 1
    try:
        out = log.open("wb")
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115  until the process ends
        threading.Thread(target=end_with_parent, args=[parent], daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again at its end
        config = uvicorn.Config(app, **QUIET, **options)
        uvicorn.Server(config).run(sockets=[listening])
        status = 0
    finally:
        active = coverage.Coverage.current()
        if active:
            active.stop()
            data = active.get_data()
            data.set_query_contexts(None)  # the last test's is inherited
            lines.write_text(json.dumps({f: data.lines(f) for f in data.measured_files()}))
        sys.stderr.flush()
        os._exit(status)


def end_with_parent(pipe: int) -> None:
    """End this process when the other end of the pipe is gone."""
    os.read(pipe, 1)
    os._exit(1)
