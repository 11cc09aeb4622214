"""Run pytest on a file as a reader would, in this process or in a batch, and tell how tests end."""

import gc
import json
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

BARE = ["-p", "no:cacheprovider", "--noconftest", "--import-mode=importlib", "--quiet"]
Ends = dict[str, tuple[str, str]]  # of tests by name: the outcome, and what was said of it
ENDS = re.compile(r"^(PASSED|FAILED|ERROR) \S*::(\w+)(?: - (.*))?$", re.MULTILINE)
RUNS = re.compile(r"^= (\w+)$(.*?)(?=^= |\Z)", re.MULTILINE | re.DOTALL)
DRIVER = """
import json, pytest, sys
for name, options in json.loads(sys.argv[1]).items():
    print(f"= {name}")
    pytest.main(options)
"""


class Noted:
    """A plugin that notes how each test ended."""

    def __init__(self) -> None:
        self.ended = Ends()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the end of a test; what fails beside it is an error."""
        name = report.nodeid.rpartition("::")[2].partition("[")[0]
        if report.when == "call" or report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            outcome = report.outcome if report.when == "call" else "error"
            self.ended[name] = outcome, crash.message if crash else report.longreprtext


def watched(file: Path, options: list[str], plugins: Any = ()) -> Noted:
    """Run pytest on a file in this process, so that its lines count, and leave nothing of it.

    PYTEST_DISABLE_PLUGIN_AUTOLOAD keeps out the plugins of the session around it.
    """
    noted, known = Noted(), set(sys.modules)
    own = ["-p", "no:faulthandler", *BARE, *options]
    gc.freeze()  # pytest collects garbage at its end, and none of this is its own
    with warnings.catch_warnings(record=True), pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.root, "handlers", [logging.NullHandler()])  # others keep records
        warnings.simplefilter("default")  # as in a process of its own
        assert pytest.main([str(file), *own], plugins=[noted, *plugins]) in (0, 1)
        for name in set(sys.modules) - known:
            if getattr(sys.modules[name], "__file__", "") == str(file):
                vars(sys.modules.pop(name)).clear()  # a package that pytest made has it too
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)  # it holds what was open where a test failed
        patch.setattr(sys, "unraisablehook", lambda _: None)  # its plugin saw what it left
        for _ in range(3):
            gc.collect()  # what ends leaves garbage of its own
    gc.unfreeze()
    return noted


def told_by(
    python: str, runs: dict[str, list[str]], database: str, folder: Path
) -> dict[str, Ends]:
    """Return how tests end in some runs of pytest, by name, all in one process of a Python."""
    environment = {
        **{name: value for name, value in os.environ.items() if "PYTEST" not in name},
        "COLUMNS": "500",
        "DATABASE_URL": database,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    told = {name: ["-rA", *BARE, *options] for name, options in runs.items()}
    command = [python, "-c", DRIVER, json.dumps(told)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    ended: dict[str, Ends] = {}
    for name, said in RUNS.findall(done.stdout):
        ended[name] = {test: (end.lower(), words) for end, test, words in ENDS.findall(said)}
    assert ended.keys() == runs.keys(), done.stderr
    return ended


def ends(folder: Path, file: Path, *changes: tuple[str, str], more: str = "") -> dict[str, str]:
    """Return how the tests of a file end, with some of its text replaced and more behind it.

    They run in this process, under AnyIO's plugin, and each warning is an error.
    """
    settings, told = folder / "pytest.ini", file.read_text() + more
    settings.write_text("[pytest]\nanyio_mode = auto\n")
    for old, new in changes:
        assert told.count(old) == 1, old
        told = told.replace(old, new)
    if told != file.read_text():
        file = folder / f"test_{file.stem}_{len(list(folder.iterdir()))}.py"
        file.write_text(told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        noted = watched(file, ["-c", str(settings), "-p", "anyio", "-W", "error"])
    return {name: outcome for name, (outcome, _) in noted.ended.items()}
