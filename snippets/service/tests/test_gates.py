"""Each gate of a change, on a copy of the project in which something is wrong."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev import gate
from dev.keeper import kept
from dev.processes import ROOT
from tests.survival.conftest import wait_until

LEFT_OUT = shutil.ignore_patterns(".[!m]*", "__pycache__", "htmlcov", "*.egg-info")
PLANTED = {
    "format": ("x = {  'a':1 }\n", "would be reformatted"),
    "lint": ('"""Docstring."""\n\nimport os\n', "F401"),
    "types": ('"""Docstring."""\n\nx: int = "a"\n', "Incompatible types in assignment"),
    "layers": ('"""Docstring."""\n\nfrom accounts.api import handlers\n', "BROKEN"),
}
HERE = "src/accounts/repositories/planted.py"


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
    typed_before = (copy / ".mypy_cache").exists()
    if name != "types" or typed_before:  # without a cache, all types take long
        assert run(copy, command)[0] == 0
    (copy / HERE).write_text(wrong)
    if name == "types" and not typed_before:
        command.append(HERE)
    status, written = run(copy, command)
    assert status != 0
    assert told in written


# --8<-- [end:planted]


def test_the_gate_of_coverage_refuses_too_little(copy: Path) -> None:
    (copy / "test_planted.py").write_text("def test_nothing(): import accounts")
    status, written = run(copy, gate.commands("s", "test_planted.py")["module"])
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
    log = copy / "log"
    command = [sys.executable, "-m", "dev.gate", "xs"]
    with (
        log.open("wb") as output,
        kept(command, folder=copy, keep_folder=True, log=output) as running,
    ):
        wait_until(lambda: "waits\n" in log.read_text(), log.read_text)
        running.signal(signal.SIGTERM)
        assert running.wait(30) == 3
    assert log.read_text().splitlines()[1:] == [
        "waits",
        "cleans up",
        "xs format: failed",
    ]


@pytest.mark.parametrize(
    ("tier", "limit"), [("xs", None), ("s", 50), ("m", 70), ("l", 80)]
)
def test_coverage_must_be_above_its_limit(tier: str, limit: int | None) -> None:
    told = [word for command in gate.commands(tier).values() for word in command]
    limits = [word for word in told if word.startswith("--cov-fail-under")]
    assert limits == ([f"--cov-fail-under={limit}.01"] if limit else [])
