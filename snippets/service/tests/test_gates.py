"""Each gate of a change, on a copy of the project in which something is wrong."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev import gate
from dev.processes import ROOT

LEFT_OUT = shutil.ignore_patterns(".[!m]*", "__pycache__", "htmlcov", "*.egg-info")
PLANTED = {
    "format": ("x = {  'a':1 }\n", "would be reformatted"),
    "lint": ('"""Docstring."""\n\nimport os\n', "F401"),
    "types": ('"""Docstring."""\n\nx: int = "a"\n', "Incompatible types in assignment"),
    "layers": ('"""Docstring."""\n\nfrom accounts.api import handlers\n', "BROKEN"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, copied elsewhere."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=LEFT_OUT)


def run(copy: Path, command: list[str]) -> tuple[int, str]:
    """Run a command in the copy; return its exit status and what it wrote."""
    program = Path(sys.executable).parent / command[0]
    environment = {"PYTHONPATH": f"{copy}/src:{copy}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [program, *command[1:]],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


# --8<-- [start:planted]
@pytest.mark.parametrize("name", PLANTED)
def test_a_gate_refuses_what_it_is_there_for(copy: Path, name: str) -> None:
    command = gate.commands("l")[name]
    wrong, told = PLANTED[name]
    if name != "types":  # the gate of types takes longest, and runs below
        assert run(copy, command)[0] == 0
    (copy / "src/accounts/repositories/planted.py").write_text(wrong)
    status, written = run(copy, command)
    assert status != 0
    assert told in written


# --8<-- [end:planted]


def test_the_gate_of_coverage_refuses_too_little(copy: Path) -> None:
    status, written = run(copy, gate.commands("s", "tests/test_shutdown.py")["module"])
    assert status != 0
    assert "Required test coverage of 50.01% not reached" in written


def test_a_tier_ends_at_the_first_gate_that_fails(copy: Path) -> None:
    (copy / "dev/planted.py").write_text(PLANTED["format"][0])
    status, written = run(copy, ["python", "-m", "dev.gate", "xs"])
    assert status != 0
    assert written.splitlines()[-1] == "xs format: failed"


WAITS = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("waits", flush=True)
signal.sigwait({signal.SIGTERM})
print("cleans up")
raise SystemExit(3)
"""


def test_a_tier_that_is_told_to_stop_lets_its_gate_clean_up(copy: Path) -> None:
    (copy / "waits.py").write_text(WAITS)
    tiers = (copy / "tiers.toml").read_text()
    tiers = re.sub(r"(?m)^format = .*", 'format = "python waits.py"', tiers)
    (copy / "tiers.toml").write_text(tiers)
    with subprocess.Popen(
        [sys.executable, "-m", "dev.gate", "xs"],
        cwd=copy,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout
        while running.stdout.readline() != "waits\n":
            assert running.poll() is None
        running.terminate()
        assert running.stdout.read() == "cleans up\nxs format: failed\n"
    assert running.returncode == 3


@pytest.mark.parametrize(
    ("tier", "limit"), [("xs", None), ("s", 50), ("m", 70), ("l", 80)]
)
def test_coverage_must_be_above_its_limit(tier: str, limit: int | None) -> None:
    told = [word for command in gate.commands(tier).values() for word in command]
    limits = [word for word in told if word.startswith("--cov-fail-under")]
    assert limits == ([f"--cov-fail-under={limit}.01"] if limit else [])
