"""The service's own tests, as evidence: which of its lines they run, and which of them fail.

A session with tests/service runs all of them, as the gates of the service do. Another runs those
that ran the shown files last time, and those that a page's test names. A patch of the service has
a copy of its own, on which only the named test runs.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage.python

from tests.engine.batch import MYPY, RUFF, Found, findings
from tests.engine.pages import ROOT, SNIPPETS, RefusedError

SERVICE = SNIPPETS / "service"
BIN = Path(sys.prefix, "service/bin")
CACHE = BIN.parent / "mypy_cache"  # of the packages' types; a copy's own come anew
TOOLS = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]
GATES = tomllib.loads((SERVICE / "tiers.toml").read_text())["gates"]
RUNNING = set[subprocess.Popen[Any]]()  # what to end when a session is interrupted
STARTING = threading.Lock()  # held while a thread starts a process, and while another forks one
os.register_at_fork(
    before=STARTING.acquire, after_in_parent=STARTING.release, after_in_child=STARTING.release
)
End = dict[str, Any]


@dataclass
class Told:
    """What a run of the service's tests told: how each ended, and by file which lines it ran."""

    ended: dict[str, End]
    lines: dict[str, dict[str, list[int]]]
    whole: bool = False
    said: str = ""
    status: int = 0


def started(command: list[str], **options: Any) -> "subprocess.Popen[str]":
    """Start a process in a thread, while no other thread forks.

    A fork would keep the pipe over which the start is told, and who waits for its end would wait
    for the end of what was forked: a server that ends with the session.
    """
    with STARTING:
        return subprocess.Popen(command, text=True, **options)


def ended(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Return what a process said that was started so."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, **pipes, **options) as process:
        told = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, *told)


def recording(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the options and the environment with which pytest records in a folder.

    It measures all code of the service, and its report is of what it reports without us.
    """
    shutil.copy(Path(__file__).with_name("recorder.py"), folder)
    run = {**TOOLS["coverage"]["run"], "source": "."}
    report = {**TOOLS["coverage"]["report"], "include": "src/*"}
    rules = configparser.ConfigParser()
    for name, values in {"run": run, "report": report}.items():
        lists = {k: "\n".join(v) if isinstance(v, list) else str(v) for k, v in values.items()}
        rules[name] = lists
    with (folder / "coverage.ini").open("w") as stream:
        rules.write(stream)
    options = ["--cov", f"--cov-config={folder}/coverage.ini", "--cov-context=test", "-precorder"]
    return options, {"RECORD": f"{folder}/$GATE.json"}


def recorded(folder: Path) -> Told:
    """Return what runs recorded in a folder."""
    told = Told({}, {})
    for file in sorted(folder.glob("*.json")):
        record = json.loads(file.read_text())
        told.ended |= record["ended"]
        for path, tests in record["lines"].items():
            known = told.lines.setdefault(path, {})
            for test, lines in tests.items():
                known[test] = sorted({*known.get(test, []), *lines})
    return told


def pytest_in(
    home: Path, folder: Path, name: str, *arguments: str, measured: bool = True
) -> tuple[int, str]:
    """Run the service's pytest; return its status and output.

    What it records stands under a name in a folder: where it is measured, also which lines ran.
    """
    if not BIN.exists():
        reason = "the service's environment isn't there"
        raise RefusedError(ROOT / "Makefile", 1, reason, "Run `make .venv/service/ready`")
    outside = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    options, told = recording(folder)
    inside = {
        "COVERAGE_FILE": f"{folder}/data",
        "GATE": name,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{home}/src:{home}:{folder}",
        **told,
    }
    options = [*options, "--cov-report="] if measured else options[-1:]
    command = [f"{BIN}/python", "-m", "pytest", "--quiet", *options, *arguments]
    with tempfile.TemporaryFile("w+") as output:
        files = {"stdout": output, "stderr": output}
        with started(command, cwd=home, env=outside | inside, **files) as process:
            RUNNING.add(process)
        RUNNING.discard(process)
        output.seek(0)
        return process.returncode, output.read()


def left_out(told: Told, wanted: dict[Path, frozenset[int]]) -> bool:
    """Tell whether the tests ran less than all code of the lines."""
    for path, lines in wanted.items():
        tests = told.lines.get(str(path.relative_to(SERVICE)), {})
        file = coverage.python.PythonFileReporter(str(path), coverage.Coverage(data_file=None))
        if file.lines() & lines - file.translate_lines(set().union(*tests.values())):
            return True
    return False


def some(
    named: set[str],
    ran: set[str] | None,
    doubted: dict[Path, frozenset[int]],
    *,
    shown: bool,
) -> Told:
    """Run the tests that pages name, and those that ran the shown files last time.

    Where nobody knows the latter, all run that record lines; also where the named tests pass and
    leave out a doubted line, which is shown of a file that nobody knows. Where no file is shown,
    nobody asks which lines ran, and to measure that takes as long again. Where no test is named
    either, as on a page with a patch that other tests take, there is nothing to run.
    """
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        folder, told = Path(base), (0, "")
        if ran is not None and (named or ran or shown):
            told = those(named | ran, folder, measured=shown)
        known, green = recorded(folder), not told[0]
        if (
            whole := ran is None
            or bool(ran - known.ended.keys())
            or (green and left_out(known, doubted))
        ):
            suite = shlex.split(GATES["suite"].format(coverage="--cov"))[1:]
            told = pytest_in(SERVICE, folder, "suite", *suite)
            begun = {test.partition("[")[0] for test in recorded(folder).ended}
            if left := named - begun:
                those(left, folder, "left", measured=True)
        found = recorded(folder)
    found.whole, (found.status, found.said) = whole, told
    return found


def those(tests: set[str], folder: Path, name: str = "those", *, measured: bool) -> tuple[int, str]:
    """Run some tests where the service stands, but for those that aren't there."""
    asked = {test: test for test in tests}
    while True:
        arguments = sorted({*asked.values()}) or ["--collect-only"]  # which imports, at least
        told = pytest_in(SERVICE, folder, name, *arguments, measured=measured)
        gone = re.findall(r"not found: (\S+)$", told[1], re.MULTILINE)
        names = {test: name.partition("[")[0] for test, name in asked.items()}  # as it says them
        lost = {t for t, name in names.items() if any(path.endswith(name) for path in gone)}
        if told[0] != 4 or not lost:
            return told
        # Without its parameters, where it has any: pytest doesn't say which of them it misses.
        again = {test: names[test] for test in lost if asked[test] != names[test]}
        asked = {test: name for test, name in asked.items() if test not in lost} | again


def every(reports: Path) -> Told:
    """Run the gates of the largest change on a copy, each with a report in a folder."""
    from tests.service.conftest import copy_to, make  # noqa: PLC0415  it imports this module

    alone, told = copy_to(reports / "accounts"), reports / "told"
    told.mkdir()
    options, environment = recording(told)
    junit = f"--junit-xml={reports}/$GATE.xml"
    environment["PYTHONPATH"] = f"{alone}/src:{alone}:{told}"
    environment["PYTEST_ADDOPTS"] = shlex.join([*options, "--durations=10"]) + f" {junit}"
    status, said = make(alone, "l", **environment)
    found = recorded(told)
    found.whole, found.said, found.status = True, said, status
    return found


def copied(base: str, *patches: str) -> Path:
    """Return a copy of the service in a folder, to which patches were applied."""
    ignored = shutil.ignore_patterns(".*", "__pycache__")
    copy = shutil.copytree(SERVICE, Path(base, "accounts"), ignore=ignored)
    plant(copy, *patches)
    return copy


def plant(copy: Path, *patches: str) -> None:
    """Apply patches to a copy of the service."""
    for patch in patches:
        command = ["git", "apply", str(SNIPPETS / patch)]
        alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent), "LC_ALL": "C"}
        done = ended(command, cwd=copy, env=alone)
        if done.returncode:
            first = done.stderr.partition("error: ")[2].splitlines()[:1] or ["git can't read it"]
            cure = "Make the change anew in snippets/service, and write `git diff --relative`"
            raise RefusedError(SNIPPETS / patch, 1, f"it no longer applies: {first[0]}", cure)


def patched(patch: str, tests: tuple[str, ...]) -> Told:
    """Run tests on a copy of the service to which a patch was applied."""
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        copy = copied(base, patch)
        folder = Path(base, "told")
        folder.mkdir()
        status, said = pytest_in(copy, folder, "those", *tests, measured=False)
        told = recorded(folder)
    told.said, told.status = said, status
    return told


def linted(files: set[Path]) -> Found:
    """Return what the service's own mypy and ruff find in some of its files."""
    told, environment = {}, {**os.environ, "MYPY_CACHE_DIR": str(CACHE)}
    for tool, options in {
        "mypy": MYPY,
        "ruff": ["check", "--quiet", "--no-cache", RUFF[-1]],
    }.items():
        command = [f"{BIN}/{tool}", *options, *sorted(map(str, files))]
        done = ended(command, cwd=SERVICE, env=environment)
        told[tool] = done.stdout, done.stderr, done.returncode
    return findings(told, SERVICE)
