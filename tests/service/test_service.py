"""The reference service passes its own gates where nothing else of this project is."""

import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from packaging.requirements import Requirement

from tests.engine.pages import ROOT
from tests.engine.plugin import STATE
from tests.parts.evidence import Runs
from tests.parts.service import SERVICE

TAGS = ("testcase", "skipped", "property")
LEAST = 95  # percent of its lines and branches
pytestmark = pytest.mark.timeout(600)  # the first waits for all of the service's tests


def facts(reports: Path, said: str) -> dict[str, Any]:
    """Return what the ledger says of a run of the service's tests, which wrote a report a gate."""
    suites = [ET.parse(report).getroot() for report in reports.glob("*.xml")]  # noqa: S314  ours
    found = {tag: [one for suite in suites for one in suite.iter(tag)] for tag in TAGS}
    told = {one.get("name"): one.get("value") for one in found["property"]}
    covered = re.search(r"Total coverage: ([\d.]+)%", said)
    return {
        "tests": len(found["testcase"]),
        "skipped": sorted({one.get("message", "") for one in found["skipped"]}),
        "coverage": float(covered[1]) if covered else 0.0,
        "image": told.get("base image"),
    }


@pytest.fixture(scope="session")
def told(service_runs: Runs, pytestconfig: pytest.Config) -> dict[str, Any]:
    """What the gates of the largest change said: for the ledger, and in full."""
    run = service_runs.evidence
    found = {
        "outcome": "failed" if run.status else "passed",
        **facts(service_runs.reports, run.said),
    }
    pytestconfig.stash[STATE].told["service"] = found
    return {**found, "said": run.said}


def test_it_passes_the_gates_of_the_largest_change(told: dict[str, Any]) -> None:
    assert told["outcome"] == "passed", told["said"]
    assert told["tests"] > 100, told["said"]
    assert told["coverage"] >= LEAST, told["said"]


def test_its_image_was_built_and_run(told: dict[str, Any]) -> None:
    if told["skipped"] and not [name for name in os.environ if name.startswith("REQUIRE_")]:
        pytest.skip(" ".join(told["skipped"]))  # CI requires each
    assert not told["skipped"], told["said"]
    assert told["image"], told["said"]


def locked(lock: Path) -> dict[str, set[str]]:
    """Return the versions that a lock gives of each package."""
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        if line[:1].isalnum():
            package = Requirement(line.partition(" \\")[0])
            found.setdefault(package.name, set()).add(str(package.specifier))
    return found


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-build.txt"])
def test_the_locks_of_the_service_agree(lock: str) -> None:
    least, most = locked(SERVICE / lock), locked(SERVICE / "requirements-dev.txt")
    assert least.keys() <= most.keys()
    assert {name: most[name] for name in least} == least


def test_shared_packages_have_one_version() -> None:
    ours, its = locked(ROOT / "requirements.txt"), locked(SERVICE / "requirements-dev.txt")
    shared = ours.keys() & its.keys()
    assert {"asyncpg", "fastapi", "sqlalchemy", "uvicorn"} <= shared
    apart = {name: (ours[name], its[name]) for name in shared if ours[name] != its[name]}
    assert not apart, "run `make lock`"
