"""A command line of a page, run as a shell runs it: what it wrote, and how it ended."""

import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.parts import clock
from tests.parts.keeper import kept
from tests.parts.server import free_port

BIN = Path(sys.executable).parent
LOOPBACK, CONTAINER = "127.0.0.1", "127.0.0.2"  # both are of this machine alone
LISTENING = re.compile(r"Listening at: |Uvicorn running on ")
STARTED = re.compile(r"Booting worker with pid: (\d+)|Started server process \[(\d+)\]")
ENDED = re.compile(r"the server ended with status (\d+)")
# It ends what it runs when it is told to end, and says how that ended.
SCRIPT = """cd {folder}; trap 'kill -TERM $child' TERM
{command} &
child=$!; echo "its process is $child"
while kill -0 $child 2> /dev/null; do wait $child; status=$?; done
echo "the server ended with status $status"
"""


@dataclass
class Served:
    """A server that runs: its port, and what it wrote."""

    port: int
    log: Path

    def said(self) -> str:
        """Return what it wrote so far."""
        return self.log.read_text()

    def processes(self) -> set[str]:
        """Return the processes that it started to serve."""
        return {one or other for one, other in STARTED.findall(self.said())}

    def ended(self) -> int:
        """Wait until it ended; return its status."""
        clock.wait(lambda: ENDED.search(self.said()))
        return int(ENDED.findall(self.said())[0])

    def pid(self) -> int:
        """Return its process."""
        return int(re.findall(r"its process is (\d+)", self.said())[0])

    def get(self, path: str = "/orders", host: str = LOOPBACK) -> int:
        """Return the status of an answer, once it listens on loopback."""
        while True:
            try:
                return httpx2.get(f"http://{host}:{self.port}{path}", timeout=60).status_code
            except httpx2.ConnectError:
                if host == CONTAINER or ENDED.search(self.said()):
                    raise
                time.sleep(clock.POLL)  # a process that is born listens later


@contextmanager
def serving(command: str, folder: Path, **environment: str) -> Iterator[Served]:
    """Run a command line as a shell does, from when it listens or ended; end it by SIGTERM."""
    base = Path(tempfile.mkdtemp(prefix="servers-"))
    served = Served(free_port(), base / "log")
    told = {"HOST": LOOPBACK, "PORT": str(served.port), "HOME": str(base), **environment}
    told |= {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    script = SCRIPT.format(folder=shlex.quote(str(folder)), command=command.strip())

    def listens() -> None:
        if not (LISTENING.search(served.said()) or ENDED.search(served.said())):
            raise OSError

    words = ["/usr/bin/env", *(f"{name}={value}" for name, value in told.items())]
    with kept([*words, "sh", "-c", script], base, "TERM", listens):
        yield served
