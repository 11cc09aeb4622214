"""What `pytest` does without arguments: prove, then check what was proven, in several sessions.

The second core has work from the start: beside the first session runs what needs no ledger.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.engine.pages import ROOT

PROVE = ["docs", "tests/prove"]
ASIDE = ["tests/check", "tests/refuse", "-m", "not recorded"]
BROWSE = ["tests/check", "-m", "recorded and browser"]
CHECK = ["tests/check", "tests/refuse", "-m", "recorded and not browser"]
MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it has a name of its own
ROOM = 4 * 1024**3  # bytes, twice what the sessions need


class Session:
    """A session in a process of its own, which keeps what it says until it is asked."""

    def __init__(self, command: list[str], output: IO[bytes] | None = None) -> None:
        self.output = output
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    def status(self) -> int:
        """Wait for its end, pass on what it said, and return its status."""
        status = self.process.wait()
        if self.output:
            self.output.seek(0)
            sys.stdout.write(self.output.read().decode())
            sys.stdout.flush()
        return status


@contextmanager
def session(*command: str, aside: bool = False) -> Iterator[Session]:
    """Start a session; interrupt it when what is done meanwhile ends first."""
    with tempfile.TemporaryFile() as output:
        started = Session([*command], output if aside else None)
        try:
            yield started
        finally:
            started.process.send_signal(signal.SIGINT)
            started.process.wait()


@contextmanager
def scratch() -> Iterator[None]:
    """Put what all sessions write into memory, where there is room: disks cost them a third."""
    room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    with tempfile.TemporaryDirectory(prefix="playbook-", dir=MEMORY if room else None) as base:
        Path(base).chmod(0o711)  # what runs as another user gets through
        os.environ["TMPDIR"] = base
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the sessions, and return the status of the first that fails."""
    if config.args_source is config.ArgsSource.ARGS or config.option.help:
        return None
    told = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    with scratch(), session("nice", "-n", "5", *told, *ASIDE, aside=True) as aside:
        with session(*told, *PROVE) as prove:
            if status := prove.status():
                return status
        with session(*told, *BROWSE, aside=True) as browse, session(*told, *CHECK) as check:
            return check.status() or browse.status() or aside.status()
