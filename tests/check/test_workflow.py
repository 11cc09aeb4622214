"""What runs the tests on a server: the workflows and the script that they call."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.engine.pages import ROOT

SCRIPT = ROOT / ".ci/run"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
TEST = ROOT / ".github/workflows/test.yml"
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

Runner = Callable[..., tuple[int, list[str], str]]

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def validate(workflow: Path) -> subprocess.CompletedProcess[str]:
    """Hold a workflow against GitHub's schema."""
    command = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow)]
    return subprocess.run(command, capture_output=True, text=True)


def audit(workflow: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Let zizmor look for weaknesses in a workflow, as strictly as it can offline."""
    command = ["zizmor", "--offline", "--no-progress", "--no-config", "--strict-collection"]
    command += ["--persona=auditor", "--format=json", "--color=never", "--cache-dir", str(cache)]
    return subprocess.run([*command, workflow], capture_output=True, text=True)


def altered(folder: Path, old: str, new: str) -> Path:
    """Write a copy of the workflow with one text replaced."""
    text = TEST.read_text()
    assert text.count(old) == 1, old
    copy = folder / "test.yml"
    copy.write_text(text.replace(old, new))
    return copy


def test_the_workflow_is_among_those_checked() -> None:
    assert TEST in WORKFLOWS


@each_workflow
def test_a_workflow_keeps_the_schema(workflow: Path) -> None:
    done = validate(workflow)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_key_breaks_the_schema(tmp_path: Path) -> None:
    done = validate(altered(tmp_path, "timeout-minutes:", "timeout-seconds:"))
    assert done.returncode == 1
    assert "timeout-seconds" in done.stdout


@each_workflow
def test_zizmor_finds_nothing(workflow: Path, tmp_path: Path) -> None:
    done = audit(workflow, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == []
    assert f"completed {workflow}" in done.stderr


def test_zizmor_reports_an_action_that_is_not_pinned(tmp_path: Path) -> None:
    pinned = re.search(r"actions/checkout@.+", TEST.read_text())
    assert pinned
    done = audit(altered(tmp_path, pinned[0], "actions/checkout@v4"), tmp_path)
    assert done.returncode > 0
    assert [finding["ident"] for finding in json.loads(done.stdout)] == ["unpinned-uses"]


@each_workflow
def test_each_action_is_pinned_to_a_commit_and_names_its_version(workflow: Path) -> None:
    for number, line in enumerate(workflow.read_text().splitlines(), start=1):
        if "uses:" in line:
            used = line.strip().removeprefix("- ")
            assert PINNED.fullmatch(used), f"{workflow.relative_to(ROOT)}:{number}: {used}"


@each_workflow
def test_a_workflow_may_do_nothing_and_its_jobs_only_read(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert job["permissions"] == {"contents": "read"}


def test_the_workflow_runs_the_script() -> None:
    (job,) = yaml.safe_load(TEST.read_text())["jobs"].values()
    assert job["steps"][-1]["run"] == "bash .ci/run"


def test_the_script_is_sound() -> None:
    assert os.access(SCRIPT, os.X_OK)
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SCRIPT.read_text().splitlines()[-1] == "REQUIRE_BROWSER=1 REQUIRE_IMAGE=1 make test"


THERE = ("buildah", "git", "make", "newuidmap", "podman", "runc")


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Run the script where only stubs stand; those without a body note how they are called."""
    note = 'echo "${0##*/} $* ${REQUIRE_BROWSER-}${REQUIRE_IMAGE-}${DEBIAN_FRONTEND-}" >> "$NOTES"'

    def start(*names: str, **bodies: str) -> tuple[int, list[str], str]:
        for name in ("bash", "dirname", "env"):
            (tmp_path / name).symlink_to(str(shutil.which(name)))
        for name in (*names, *bodies):
            stub = tmp_path / name
            stub.write_text(f"#!/usr/bin/env bash\n{bodies.get(name, note)}\n")
            stub.chmod(0o755)
        notes = tmp_path / "notes"
        notes.touch()
        done = subprocess.run(
            [SCRIPT],
            env={"PATH": str(tmp_path), "NOTES": str(notes)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.returncode, notes.read_text().splitlines(), done.stderr

    return start


def test_the_script_installs_nothing_that_is_there(run: Runner) -> None:
    status, notes, _ = run("apt-get", "chromium", *THERE, python3="exit 0")
    assert (status, notes) == (0, ["make test 11"])


@pytest.mark.parametrize("user", [0, 1000])
def test_the_script_installs_what_is_missing(run: Runner, user: int) -> None:
    sudo = 'echo "sudo $1" >> "$NOTES"; shift; exec "$@"'
    status, notes, _ = run("apt-get", *THERE, id=f"echo {user}", sudo=sudo, python3="exit 1")
    assert status == 0
    assert [line for line in notes if not line.startswith("sudo")] == [
        "apt-get update noninteractive",
        "apt-get install -y --no-install-recommends chromium python3-venv noninteractive",
        "make test 11",
    ]
    assert notes.count("sudo --non-interactive") == (2 if user else 0)


def test_the_script_says_what_to_do_when_it_cannot_install(run: Runner) -> None:
    status, notes, error = run("apt-get", *THERE, id="echo 1000", python3="exit 0")
    assert (status, notes) == (1, [])
    assert ".ci/run: install chromium as root, then run this again" in error
