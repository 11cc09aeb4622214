"""What a session started is gone after it, however it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.engine.pages import ROOT
from tests.parts import clock

STUBBORN = """\
import signal, subprocess, sys, time

CODE = '''
import pathlib, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) > 1:
    subprocess.Popen([sys.executable, __file__], start_new_session=True)
pathlib.Path(__file__ + str(len(sys.argv))).touch()
time.sleep(600)
'''

def test_it(tmp_path):
    (tmp_path / "stubborn.py").write_text(CODE)
    subprocess.Popen([sys.executable, tmp_path / "stubborn.py", "parent"], start_new_session=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_ignores_signals_ends_with_the_session(end: signal.Signals, tmp_path: Path) -> None:
    inner = tmp_path / "test_inner.py"
    inner.write_text(STUBBORN)
    plugins = ["-p", "tests.engine.plugin", "-p", "tests.parts.plugin"]
    base = tmp_path / "base"
    options = [f"--config-file={ROOT}/pyproject.toml", f"--basetemp={base}", str(inner)]
    command = [sys.executable, "-m", "pytest", *plugins, *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as session:
        folder = base / "test_it0"
        ready = [folder / f"stubborn.py{count}" for count in (1, 2)]
        clock.wait(lambda: all(file.exists() for file in ready) or session.poll() is not None)
        assert session.poll() is None
        started = stubborn(folder)
        session.send_signal(end)
    assert len(started) == 2
    assert not psutil.wait_procs(started)[1]  # or this test ends at its own limit


def stubborn(folder: Path) -> list[psutil.Process]:
    """Return the processes that run a program of a folder."""
    name = str(folder / "stubborn.py")
    running = psutil.process_iter(["cmdline"])
    return [process for process in running if name in (process.info["cmdline"] or [])]
