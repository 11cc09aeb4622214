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
    command = ["make", *told, f"BIN={Path(sys.executable).parent}", "READY="]
    paths = {"PYTHONPATH": f"{copy}/src:{copy}"}
    return subprocess.Popen(
        command,
        cwd=copy,
        env={**os.environ, **paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# --8<-- [start:run]
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_starts_the_whole_service_and_ends_it(
    copy: Path, number: signal.Signals
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    run = make(copy, "run", PORT=str(port))
    assert run.stdout
    written = list[str]()
    for line in run.stdout:
        written.append(line)
        if "Ctrl-C ends it." in line:
            break
    assert f"The service is on {url}," in "".join(written)
    started = psutil.Process(run.pid).children(recursive=True)
    assert httpx2.post(f"{url}/users", json=ANN, verify=NO_TLS).status_code == 201
    for line in run.stdout:
        if line == f"Mail to {ANN['email']}: Welcome\n":
            break
    started[0].send_signal(number)
    rest, _ = run.communicate(timeout=30)
    assert rest.splitlines()[-1] == "Ended."
    assert [process for process in started if process.is_running()] == []
    makers = "|".join(str(process.pid) for process in started)
    folders = [*MEMORY.iterdir(), *Path(tempfile.gettempdir()).iterdir()]
    left = re.compile(rf"accounts-[a-z]+-({makers})-")
    assert [path for path in folders if left.match(path.name)] == []


# --8<-- [end:run]
