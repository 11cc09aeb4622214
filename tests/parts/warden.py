"""Ends what a session of pytest started and left, also when the session was killed.

What a test starts has the session's number in its environment. The warden is a process of its own,
which waits for the session's end and kills what still has that number.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


def marked(mark: str, pid: int) -> list[psutil.Process]:
    """Return the processes, but for this one, in whose environment a mark begins with a number."""
    found = list[psutil.Process]()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = process.environ().get(mark, "").startswith(f"{pid} ")
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def sweep(mark: str, pid: int) -> None:
    """Kill what has the mark, and what it started meanwhile."""
    while left := marked(mark, pid):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def outlive(pid: int) -> None:
    """Return when a process has ended."""
    if hasattr(os, "pidfd_open"):
        with suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])
    else:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait()


@contextmanager
def watched(mark: str) -> Iterator[None]:
    """Have a warden watch this process until the end of the block, which sweeps by itself."""
    pid = os.getpid()
    alone = {key: value for key, value in os.environ.items() if key != mark}
    with subprocess.Popen(
        [sys.executable, __file__, mark, str(pid)],
        env=alone,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as warden:
        try:
            yield
        finally:
            if os.getpid() == pid:  # not in a child that ends as its parent would
                sweep(mark, pid)
                warden.kill()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    outlive(int(sys.argv[2]))
    sweep(sys.argv[1], int(sys.argv[2]))
