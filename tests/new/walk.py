"""Runs of a reader's commands that a test looks into: one that serves, one that is held."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.new.clone import Place
from tests.parts.server import free_port

HOOK = """#!/bin/sh
echo reached > "$REACHED"
read -r _ < "$HELD"
"""


def served(
    place: Place, script: Path, installed: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Take the step that starts the service; ask what it serves, then end it with Ctrl-C."""
    port = free_port()
    with subprocess.Popen(
        ["sh", "-eu", script],
        cwd=place.folder / "playbook",
        env=place.environment(PORT=str(port), **installed),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        said, data = list[str](), set[str]()
        try:
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C ends it." in line:
                    below = psutil.Process(process.pid).children(recursive=True)
                    data = {child.cwd() for child in below if child.name() == "postgres"}
                    said += [f"data in {folder}: {Path(folder).is_dir()}\n" for folder in data]
                    url = f"http://127.0.0.1:{port}/openapi.json"
                    said.append(json.load(urllib.request.urlopen(url))["info"]["title"] + "\n")
                    break
        finally:
            os.killpg(process.pid, signal.SIGINT)
        said += process.stdout.readlines()
    said += [f"data in {folder}: {Path(folder).is_dir()}\n" for folder in data]
    return subprocess.CompletedProcess(["sh"], process.returncode, "".join(said))


@contextlib.contextmanager
def held(place: Place, folder: Path, target: Path) -> Iterator[subprocess.Popen[str]]:
    """Make a project that waits before its commit, and end what is left of the run."""
    hooks, reached, waits = (folder / name for name in ("hooks", "reached", "waits"))
    hooks.mkdir()
    (hooks / "pre-commit").write_text(HOOK)
    (hooks / "pre-commit").chmod(0o755)
    os.mkfifo(reached)
    os.mkfifo(waits)
    hold = os.open(waits, os.O_RDWR)  # the hook waits as long as this is open
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.new", "orders", target],
        cwd=place.folder / "playbook",
        env=place.environment(REACHED=str(reached), HELD=str(waits), **settings),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert reached.read_text() == "reached\n"
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # git and its hook, which a kill leaves
            os.close(hold)
