"""What `pytest` does without arguments: prove, then check, each in a session of its own.

Beside the first session, which mostly waits, the refusals run that need no ledger.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.engine.pages import ROOT

PROVE = ["docs", "tests/prove"]
REFUSE = ["-m", "not recorded", "tests/refuse"]
CHECK = ["tests/check", "tests/refuse", "-m", "recorded or not refusal"]


@contextmanager
def session(*command: str, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a session, and interrupt it when this process is."""
    with subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as process:
        try:
            yield process
            process.wait()
        finally:
            process.send_signal(signal.SIGINT)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the sessions in turn, and return the status of the first that fails."""
    if config.args_source is config.ArgsSource.ARGS or config.option.help:
        return None
    told = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    with tempfile.TemporaryFile() as said, ExitStack() as stack:
        aside = stack.enter_context(session("nice", *told, *REFUSE, output=said.fileno()))
        with session(*told, *PROVE) as prove:
            pass
        if not prove.returncode:
            aside.wait()
            said.seek(0)
            sys.stdout.write(said.read().decode())
            sys.stdout.flush()
    if prove.returncode or aside.returncode:
        return prove.returncode or aside.returncode
    with session(*told, *CHECK) as check:
        pass
    return check.returncode
