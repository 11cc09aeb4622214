"""What `pytest` does without arguments: prove, then check, each in a session of its own.

Beside both, on what they leave of the processor, the refusals run that need no ledger.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.engine.pages import ROOT

PROVE = ["docs", "tests/prove"]
REFUSE = ["-m", "not recorded", "tests/refuse"]
CHECK = ["tests/check", "tests/refuse", "-m", "recorded or not refusal"]


@contextmanager
def session(*command: str, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a session; interrupt it when what is done meanwhile ends first."""
    with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the sessions, and return the status of the first that fails."""
    if config.args_source is config.ArgsSource.ARGS or config.option.help:
        return None
    told = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    with (
        tempfile.TemporaryFile() as said,
        session("nice", *told, *REFUSE, output=said.fileno()) as aside,
    ):
        for paths in (PROVE, CHECK):
            with session(*told, *paths) as turn:
                if status := turn.wait():
                    return status
        status = aside.wait()
        said.seek(0)
        sys.stdout.write(said.read().decode())
        sys.stdout.flush()
        return status
