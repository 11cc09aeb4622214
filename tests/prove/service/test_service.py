"""The reference service passes its own gates where nothing else of this project is."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from packaging.requirements import Requirement

from tests.engine.pages import ROOT
from tests.engine.plugin import STATE

SERVICE = "snippets/service"
BIN = ROOT / ".venv/service/bin"
KEY = "of 32 bytes, and of this test only"
LEAST = 95  # percent of its lines and branches


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """A folder that holds what git tracks of the service, and nothing else."""
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT / SERVICE, capture_output=True, text=True, check=True
    )
    for name in filter(None, told.stdout.split("\0")):
        target = tmp_path / "accounts" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / SERVICE / name, target)
    return tmp_path / "accounts"


@contextmanager
def made(folder: Path, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Run make in a copy of the service, on its code and the packages installed here."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    here = {"PYTHONPATH": f"{folder}/src:{folder}", "COVERAGE_FILE": f"{folder}/.coverage"}
    with subprocess.Popen(
        ["make", "--no-print-directory", *arguments, f"BIN={BIN}", "READY="],
        cwd=folder,
        env=outside | here | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def facts(report: Path, said: str) -> dict[str, Any]:
    """Return what the ledger says of a run of the service's tests."""
    suite = ET.parse(report).getroot() if report.exists() else ET.Element("none")  # noqa: S314  ours
    images = [one.get("value") for one in suite.iterfind(".//property[@name='base image']")]
    covered = re.search(r"Total coverage: ([\d.]+)%", said)
    return {
        "tests": len(list(suite.iter("testcase"))),
        "skipped": sorted({one.get("message", "") for one in suite.iter("skipped")}),
        "coverage": float(covered[1]) if covered else 0.0,
        "image": images[0] if images else None,
    }


@pytest.mark.timeout(600)  # it waits for all of the service's tests
def test_it_passes_the_gates_of_the_largest_change(
    alone: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    report = tmp_path / "report.xml"
    with made(alone, "l", PYTEST_ADDOPTS=f"--junit-xml={report} --durations=10") as gates:
        said, _ = gates.communicate()
    told = pytestconfig.stash[STATE].told["service"] = facts(report, said)
    told["outcome"] = "failed" if gates.returncode else "passed"
    assert gates.returncode == 0, said
    assert told["tests"] > 100, said
    assert told["coverage"] >= LEAST, said
    assert bool(told["image"]) != bool(told["skipped"]), said
    if os.environ.get("REQUIRE_IMAGE"):
        assert told["image"], "REQUIRE_IMAGE is set, and no image was built"


def test_its_other_commands_run(alone: Path) -> None:
    with made(alone, "help") as listed, made(alone, "xs") as gates:
        said, _ = listed.communicate()
        rules = re.findall(r"^([a-z]+):.*## ", (alone / "Makefile").read_text(), re.MULTILINE)
        assert re.findall(r"^make (\w+)", said, re.MULTILINE) == rules
        said, _ = gates.communicate()
        assert gates.returncode == 0, said
    with made(alone, "token", "ID=7", TOKEN_KEY=KEY) as token:
        said, _ = token.communicate()
        assert said.count(".") == 2, said


def locked(path: str) -> dict[str, set[str]]:
    """Return the versions that a lock gives of each package."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / path).read_text().splitlines():
        if line[:1].isalnum():
            package = Requirement(line.partition(" \\")[0])
            found.setdefault(package.name, set()).add(str(package.specifier))
    return found


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-build.txt"])
def test_the_locks_of_the_service_agree(lock: str) -> None:
    least, most = locked(f"{SERVICE}/{lock}"), locked(f"{SERVICE}/requirements-dev.txt")
    assert least.keys() <= most.keys()
    assert {name: most[name] for name in least} == least


def test_shared_packages_have_one_version() -> None:
    ours, its = locked("requirements.txt"), locked(f"{SERVICE}/requirements-dev.txt")
    shared = ours.keys() & its.keys()
    assert {"asyncpg", "fastapi", "sqlalchemy", "uvicorn"} <= shared
    apart = {name: (ours[name], its[name]) for name in shared if ours[name] != its[name]}
    assert not apart, "run `make lock`"
