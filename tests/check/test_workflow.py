"""What runs the tests on a server: the workflows and the script that they call."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import yaml

from tests.engine.ledger import LEDGER
from tests.engine.pages import ROOT
from tests.parts.schemas import LIGHT
from tests.parts.system import LISTS, listed
from tests.prove import unwanted
from tests.sessions import ASIDE, CHECK, PARTS, PROVE, WALK

SCRIPT = ROOT / ".ci/run"
SERVICE = ROOT / "snippets/service"
INSTALL = SERVICE / "dev/install"
WORKFLOWS = [
    file for home in (ROOT, SERVICE) for file in sorted(home.glob(".github/workflows/*.y*ml"))
]
TEST = ROOT / ".github/workflows/test.yml"
PUBLISH = ROOT / ".github/workflows/publish.yml"
WATCH = ROOT / ".github/workflows/watch.yml"
MUTATE = ROOT / ".github/workflows/mutate.yml"
FRESH = ROOT / ".github/workflows/fresh.yml"
WRITES = {  # what a job may write, for what it is there
    PUBLISH: {"publish": ["contents"]},
    FRESH: {"request": ["contents", "pull-requests", "actions"], "issue": ["issues"]},
}

Runner = Callable[..., tuple[int, list[str], str]]

each_workflow = pytest.mark.parametrize(
    "workflow", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT))
)


@pytest.mark.parametrize(
    ("schema", "name"),
    [("dependabot", ".github/dependabot.yml"), ("compose-spec", "compose.yaml")],
)
def test_what_the_service_brings_along_keeps_its_schema(schema: str, name: str) -> None:
    done = validate(SERVICE / name, schema)
    assert done.returncode == 0, done.stdout + done.stderr


def validate(file: Path, schema: str = "github-workflows") -> subprocess.CompletedProcess[str]:
    """Hold a file against a schema that check-jsonschema brings along."""
    command = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    return subprocess.run(command, env={**os.environ, **LIGHT}, capture_output=True, text=True)


@pytest.mark.parametrize("schema", ["github-workflows", "dependabot", "compose-spec"])
def test_no_schema_needs_what_its_check_starts_without(schema: str) -> None:
    home = resources.files("check_jsonschema") / "builtin_schemas/vendor"
    assert not re.search(r'"format":\s*"', (home / f"{schema}.json").read_text())


def audit(workflow: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Let zizmor look for weaknesses in a workflow, as strictly as it can offline."""
    command = ["zizmor", "--offline", "--no-progress", "--no-config", "--strict-collection"]
    command += ["--persona=auditor", "--format=json", "--color=never", "--cache-dir", str(cache)]
    return subprocess.run([*command, workflow], capture_output=True, text=True)


def altered(folder: Path, old: str, new: str) -> Path:
    """Write a copy of the workflow with the first that a pattern finds replaced."""
    text, count = re.subn(old, new, TEST.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, old
    copy = folder / "test.yml"
    copy.write_text(text)
    return copy


def test_the_workflows_are_among_those_checked() -> None:
    assert {TEST, MUTATE} <= set(WORKFLOWS)


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
    unwanted.refuse(unwanted.unpinned(workflow))


@each_workflow
def test_a_workflow_may_do_nothing_and_its_jobs_only_read(workflow: Path) -> None:
    unwanted.refuse(unwanted.righted(workflow, WRITES.get(workflow, {})))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (r"(actions/checkout)@\w+ # .*", r"\1@v7", "is not pinned to a commit"),
        (r"(actions/checkout@\w+) # .*", r"\1", "is not pinned to a commit"),
        ("(permissions:\n      contents): read.*", r"\1: write", "the job test has the rights"),
        ("^permissions: {}", "permissions: write-all", "the workflow has the rights write-all"),
        ("^permissions: {}\n", "", "the workflow has the rights None"),
    ],
)
def test_a_workflow_that_may_too_much_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    workflow = altered(tmp_path, old, new)
    told = [*unwanted.unpinned(workflow), *unwanted.righted(workflow, {})]
    assert len(told) == 1
    assert says in str(told[0])


def test_the_workflow_runs_the_script_and_keeps_the_ledger() -> None:
    test, check = yaml.safe_load(TEST.read_text())["jobs"].values()
    matrix = test["strategy"]["matrix"]
    *_, runs, keeps = test["steps"]
    assert (runs["run"], runs["env"]) == ('bash .ci/run "$PART"', {"PART": "${{ matrix.part }}"})
    assert keeps["if"] == "matrix.part == 'prove'"
    assert keeps["uses"].startswith("actions/upload-artifact@")
    assert keeps["with"]["name"] == "ledger-${{ matrix.python }}"  # one of each: names are unique
    assert ROOT / keeps["with"]["path"] == LEDGER
    assert keeps["with"]["if-no-files-found"] == "error"
    *_, fetches, checks = check["steps"]
    assert (check["needs"], check["strategy"]["matrix"]) == ("test", {"python": matrix["python"]})
    assert fetches["uses"].startswith("actions/download-artifact@")
    name = keeps["with"]["name"]
    assert fetches["with"] == {"name": name, "path": str(LEDGER.parent.relative_to(ROOT))}
    assert sorted([*matrix["part"], checks["run"].split()[-1]]) == sorted(PARTS)
    assert checks["run"] == "bash .ci/run check"


def test_the_parts_are_the_whole() -> None:
    parts = [one for sessions in PARTS.values() for one in sessions]
    assert sorted(parts) == sorted([PROVE, ASIDE, CHECK, WALK])
    where = {str(path) for one in parts for path in one if "/" in path or path == "docs"}
    rooms = {f"tests/{room.name}" for room in (ROOT / "tests").iterdir() if [*room.glob("test_*")]}
    assert where == {"docs", "tests/service"} | rooms


def test_nothing_is_published_before_each_python_is_green() -> None:
    content = yaml.safe_load(PUBLISH.read_text())
    assert content[True] == {"push": {"branches": ["main"], "tags": ["v*"]}}
    test, publish = (content["jobs"][name] for name in ("test", "publish"))
    assert test["uses"] == f"$/{TEST.relative_to(ROOT)}"
    assert "workflow_call" in yaml.safe_load(TEST.read_text())[True]
    assert publish["needs"] == "test"
    *_, fetches, merges, pushes = publish["steps"]
    assert fetches["uses"].startswith("actions/download-artifact@")
    assert fetches["with"] == {"pattern": "ledger-*", "path": "${{ runner.temp }}/ledgers"}
    command = '.venv/bin/python -m tests.pythons merge "$RUNNER_TEMP"/ledgers/*/ledger.json'
    assert merges["run"].splitlines() == ["make .venv/ready", command]
    assert pushes["run"].splitlines()[-1] == 'make publish VERSION="${REF#v}"'
    assert "bash .ci/run" not in PUBLISH.read_text(), "what may write runs no test"


def test_all_mutants_are_tried_each_week_and_by_hand() -> None:
    content = yaml.safe_load(MUTATE.read_text())
    (job,) = content["jobs"].values()
    assert job["steps"][-1]["run"] == "make mutate"
    on = content[True]  # what YAML makes of `on`
    assert "workflow_dispatch" in on
    (cron,) = (each["cron"] for each in on["schedule"])
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", cron), "not once a week"


def test_the_second_generator_is_tried_each_month() -> None:
    content = yaml.safe_load(WATCH.read_text())
    assert content["jobs"]["successor"]["steps"][-1]["run"].startswith("make successor ")
    assert "schedule" in content[True]


def test_the_links_are_asked_each_month() -> None:
    content = yaml.safe_load(WATCH.read_text())
    assert content["jobs"]["links"]["steps"][-1]["run"].startswith("make links ")


def test_what_runs_new_releases_may_write_nothing() -> None:
    content = yaml.safe_load(FRESH.read_text())
    look, *others = content["jobs"].values()
    assert "make fresh" in next(step["run"] for step in look["steps"] if step.get("id"))
    assert look["permissions"] == {"contents": "read"}
    assert [job["needs"] for job in others] == ["look", "look"]
    runs = " ".join(step.get("run", "") for job in others for step in job["steps"])
    assert not re.search(r"\b(make|pip|python3?|pytest|bash)\b", runs), "it runs what it fetched"
    assert content[True]["schedule"]


@pytest.mark.parametrize("script", [SCRIPT, INSTALL, SERVICE / ".ci/run"])
def test_a_script_is_sound(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_package_is_listed_twice() -> None:
    packages = [package for path in LISTS for _, package, _ in listed(path)]
    assert len(packages) == len(set(packages)) > 8


@pytest.mark.parametrize(("script", "lists"), [(SCRIPT, LISTS), (SERVICE / ".ci/run", LISTS[1:])])
def test_a_script_requires_what_the_lists_serve(script: Path, lists: list[Path]) -> None:
    uses = {use for path in lists for *_, use in listed(path)} - {"all"}
    required = re.findall(r"REQUIRE_(\w+)=1", script.read_text())
    assert sorted(required) == sorted(use.upper() for use in uses)


# The programs of the lists, but Chromium; python3 is a stub that knows its modules, or doesn't.
THERE = [
    name.partition(",")[0]
    for path in LISTS
    for name, *_ in listed(path)
    if not name.startswith(("python3", "chromium"))
]
MADE = "make test 11"


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Run the script where only stubs stand; those without a body note how they are called."""
    note = 'echo "${0##*/} $* ${REQUIRE_BROWSER-}${REQUIRE_IMAGE-}${DEBIAN_FRONTEND-}" >> "$NOTES"'
    copy = tmp_path / "copy"
    for file in (SCRIPT, INSTALL, *LISTS):
        to = copy / file.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text().replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin", "true")
        to.write_text(text)
        to.chmod(0o755)

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
            [copy / ".ci/run"],
            env={"PATH": str(tmp_path), "NOTES": str(notes)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.returncode, notes.read_text().splitlines(), done.stderr

    return start


def test_the_script_installs_nothing_that_is_there(run: Runner) -> None:
    status, notes, _ = run("apt-get", "chromium", *THERE, python3="exit 0")
    assert (status, notes) == (0, [MADE])


@pytest.mark.parametrize("absent", THERE)
def test_the_script_installs_each_package_that_is_missing(run: Runner, absent: str) -> None:
    (package,) = [p for path in LISTS for n, p, _ in listed(path) if n.split(",")[0] == absent]
    there = [name for name in THERE if name != absent]
    install = f"apt-get install -y --no-install-recommends {package} noninteractive"
    status, notes, error = run("apt-get", "chromium", "crun", *there, python3="exit 0", id="echo 0")
    if absent == "make":  # the stub of apt-get brings none
        assert (status, notes[1:]) == (127, [install]), error
    else:
        assert (status, notes[1:]) == (0, [install, MADE]), error


@pytest.mark.parametrize("user", [0, 1000])
def test_the_script_becomes_root_where_it_is_not(run: Runner, user: int) -> None:
    sudo = 'echo "sudo $1" >> "$NOTES"; shift; exec "$@"'
    status, notes, _ = run("apt-get", *THERE, id=f"echo {user}", sudo=sudo, python3="exit 1")
    assert status == 0
    assert [line for line in notes if not line.startswith("sudo")] == [
        "apt-get update noninteractive",
        "apt-get install -y --no-install-recommends chromium python3-venv noninteractive",
        MADE,
    ]
    assert notes.count("sudo --non-interactive") == (2 if user else 0)


def test_the_script_says_what_to_do_when_it_cannot_install(run: Runner) -> None:
    status, notes, error = run("apt-get", *THERE, id="echo 1000", python3="exit 0")
    assert (status, notes) == (1, [])
    assert "install: install chromium as root, then run this again" in error
