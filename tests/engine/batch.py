"""Type and lint all snippets of a session in one go, on the other core."""

import fcntl
import functools
import json
import multiprocessing
import os
import subprocess
from collections import defaultdict
from pathlib import Path

from tests.engine.pages import ROOT

MYPY = ["--output=json", "--no-error-summary"]
RUFF = ["ruff", "check", "--quiet", "--config=pyproject.toml", "--output-format=json-lines"]
CACHE_LOCK = ROOT / "pyproject.toml"  # held while mypy writes its cache
Found = dict[Path, set[tuple[str, str, int, str]]]


class Batch:
    """The tools at work on some files, in a forked child."""

    def __init__(self, files: list[str]) -> None:
        context = multiprocessing.get_context("fork")
        self.answer, told = context.Pipe(duplex=False)
        self.process = context.Process(target=lambda: told.send(checked(files)))
        self.process.start()
        told.close()

    @functools.cached_property
    def findings(self) -> Found:
        """What the tools found, once they are done: by file the tool, code, line and message."""
        found: Found = self.answer.recv()
        return found


def checked(files: list[str]) -> Found:
    """Return what mypy and ruff find in some files, with the project's rules."""
    from mypy import api  # noqa: PLC0415  in the child, for it takes a while to load

    if not files:
        return defaultdict(set)
    os.chdir(ROOT)
    lint = subprocess.run([*RUFF, *files], capture_output=True, text=True)
    with CACHE_LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        types = api.run([*MYPY, *files])
    return findings({"mypy": types, "ruff": (lint.stdout, lint.stderr, lint.returncode)}, ROOT)


def findings(told: dict[str, tuple[str, str, int]], home: Path) -> Found:
    """Return what the tools said in a folder; raise `RuntimeError` for one that did not run."""
    found: Found = defaultdict(set)
    for tool, (output, errors, status) in told.items():
        if status not in (0, 1):
            raise RuntimeError(f"{tool} did not run: {output}{errors}")
        for entry in map(json.loads, output.splitlines()):
            line = entry["location"]["row"] if tool == "ruff" else entry["line"]
            file = home / entry["filename" if tool == "ruff" else "file"]
            if entry["severity"] == "error":
                found[file].add((tool, entry["code"], line, entry["message"].rstrip(".")))
    return found
