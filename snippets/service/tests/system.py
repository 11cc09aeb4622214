"""Tests that need a program of the system: skipped without it, required in CI."""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NoReturn

import pytest

from dev import system

Hide = Callable[..., Path]


def refuse(use: str, reason: str) -> NoReturn:
    """Skip the tests of a use; fail where REQUIRE_IMAGE or its like asks for them."""
    if os.environ.get(f"REQUIRE_{use.upper()}"):
        pytest.fail(
            f"The tests of the {use} are required here: {reason}", pytrace=False
        )
    reason = f"NO TESTS OF THE {use.upper()}: {reason}"
    pytest.skip(reason, allow_module_level=True)  # CI requires them


def require(use: str) -> None:
    """Refuse the tests of a use, such as `gateway`, where a program is missing."""
    if absent := system.missing(use):
        refuse(use, f"install {', '.join(absent)} to run them")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Let the skips of a file that have one reason stand in one line."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        path, _, reason = report.longrepr
        if "NO TESTS OF" in reason:
            report.longrepr = (path, 1, reason)
    return report


@pytest.fixture
def hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Give this machine without some programs, as a folder of links to all others."""
    named = [*os.environ["PATH"].split(os.pathsep), *system.ADMIN]
    folders = [name for name in named if os.access(name, os.R_OK | os.X_OK)]
    machine = tmp_path / "machine"

    def hide(*hidden: str) -> Path:
        machine.mkdir()
        for program in (one for folder in folders for one in Path(folder).glob("*")):
            link = machine / program.name
            if program.name not in hidden and not link.is_symlink():
                link.symlink_to(program)
        monkeypatch.setenv("PATH", str(machine))
        monkeypatch.setattr(system, "ADMIN", [])
        return machine

    for name in [name for name in os.environ if name.startswith("REQUIRE_")]:
        monkeypatch.delenv(name)
    return hide
