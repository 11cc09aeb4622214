"""The commands of the Makefile, in a copy of the project that stands alone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import psutil
import pytest

from dev.folders import MEMORY
from dev.ports import free_port
from dev.processes import ROOT
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import NO_TLS

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "htmlcov", "*.egg-info")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, copied elsewhere."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=LEFT_OUT)


def make(copy: Path, *told: str, **environment: str) -> subprocess.Popen[str]:
    """Run make in the copy, with this environment's packages and the copy's code."""
    command = ["sh", "-c", 'trap "" INT; exec make "$@"', "sh", *told]
    command += [f"BIN={Path(sys.executable).parent}", "READY="]
    paths = {"PYTHONPATH": f"{copy}/src:{copy}"}
    return subprocess.Popen(
        command,
        cwd=copy,
        env={**os.environ, **paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(run: subprocess.Popen[str], text: str) -> list[str]:
    """Read what a run writes up to a line with a text; return it all."""
    assert run.stdout
    written = list[str]()
    for line in run.stdout:
        written.append(line)
        if text in line:
            return written
    pytest.fail("".join(written))


def left_by(started: list[psutil.Process]) -> list[object]:
    """Return what processes left behind: themselves, and their folders."""
    makers = "|".join(str(process.pid) for process in started)
    name = re.compile(rf"accounts-[a-z]+-({makers})-")
    folders = [*MEMORY.iterdir(), *Path(tempfile.gettempdir()).iterdir()]
    running = [process for process in started if process.is_running()]
    return [*running, *(folder for folder in folders if name.match(folder.name))]


# --8<-- [start:run]
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_starts_the_whole_service_and_ends_it(
    copy: Path, number: signal.Signals, database_url: str, redis_url: str
) -> None:
    port = str(free_port())
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    run = make(copy, "run", PORT=port, **(given if number == signal.SIGTERM else {}))
    written = wait_for(run, "Ctrl-C ends it.")
    url = f"http://127.0.0.1:{port}"
    assert f"The service is on {url}, and its documentation on {url}/docs\n" in written
    started = psutil.Process(run.pid).children(recursive=True)
    names = {process.name() for process in started}
    assert ("postgres" in names) == (number == signal.SIGINT)
    assert httpx2.post(f"{url}/users", json=ANN, verify=NO_TLS).status_code == 201
    wait_for(run, f"Mail to {ANN['email']}: Welcome")
    started[0].send_signal(number)
    rest, _ = run.communicate(timeout=60)
    assert rest.splitlines()[-1] == "Ended."
    assert left_by(started) == []


# --8<-- [end:run]
