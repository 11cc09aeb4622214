"""What `pytest` does without arguments: prove, then check what was proven, in several sessions.

The service's own tests run within the first: what they tell stands in the ledger that it writes.
All get their share of the processors: no test measures how much that is.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
import pytest

from tests.engine.pages import ROOT
from tests.parts.signals import ENDS

PROVE = ["docs", "tests/prove", "tests/service"]  # has work for two processors
ASIDE = ["tests/check", "tests/refuse", "-m", "not recorded"]
CHECK = ["tests/check", "tests/refuse", "-m", "recorded and not walk"]
WALK = ["tests/check", "-m", "walk"]
PARTS = {"prove": [PROVE], "aside": [ASIDE], "check": [CHECK, WALK]}  # a machine may run one each
STARTER = "PLAYBOOK_STARTER"  # the process that started a session, and a pipe that ends with it
MEMORY = Path("/dev/shm")  # noqa: S108  the folder in it has a name of its own
ROOM = 4 * 1024**3  # bytes, twice what the sessions need


class Session:
    """A session in a process of its own, which keeps what it says until it is asked."""

    def __init__(self, command: list[str], output: IO[bytes] | None = None) -> None:
        self.output = output
        pipe = int(os.environ[STARTER].split()[1])
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=output, pass_fds=[pipe]
        )

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
            interrupt(started.process, signal.SIGINT)


def interrupt(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End a process by a signal, sent again where `asyncio` made a cancelled task of it."""
    for each in (*[number] * 6, signal.SIGKILL):
        process.send_signal(each)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


@contextmanager
def scratch() -> Iterator[None]:
    """Put what all sessions write into memory, where there is room: disks cost them a third.

    What a killed run left there is removed.
    """
    room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    parent = MEMORY if room else Path(tempfile.gettempdir())
    for left in parent.glob("playbook-*"):
        maker = re.match(r"playbook-(\d+)-", left.name)
        if maker and not psutil.pid_exists(int(maker[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"playbook-{os.getpid()}-", dir=parent) as base:
        Path(base).chmod(0o711)  # what runs as another user gets through
        os.environ |= {"TMPDIR": base, STARTER: f"{os.getpid()} {os.pipe()[0]}"}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # one session compiles for all
        yield


def end_with_starter(pipe: int) -> None:
    """End this process as SIGTERM does when what started it is gone."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several machines share the sessions: `check` needs the ledger that `prove` wrote."""
    parser.addoption("--only", choices=sorted(PARTS), help="run these sessions and no others")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the sessions, and return the status of the first that fails."""
    for number in ENDS:  # a shell's job in the background ignores one
        signal.signal(number, signal.default_int_handler)
    starter, _, pipe = os.environ.get(STARTER, "").partition(" ")
    if starter == str(os.getppid()):
        threading.Thread(target=end_with_starter, args=[int(pipe)], daemon=True).start()
    if config.args_source is config.ArgsSource.ARGS or config.option.help:
        return None
    told = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    with scratch():
        if only := config.option.only:
            return together(told, *PARTS[only])
        with session(*told, *ASIDE, aside=True) as aside:
            if status := together(told, *PARTS["prove"]):
                return status
            ends = [together(told, *PARTS["check"]), aside.status()]  # each says what it found
            return next(filter(None, ends), 0)


def together(told: list[str], first: list[str], *others: list[str]) -> int:
    """Run some sessions side by side, and return the status of the first that fails."""
    with ExitStack() as stack:
        kept = [stack.enter_context(session(*told, *other, aside=True)) for other in others]
        shown = stack.enter_context(session(*told, *first))
        return next(filter(None, [each.status() for each in (shown, *kept)]), 0)
