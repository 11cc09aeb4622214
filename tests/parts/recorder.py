"""Inside the service's own pytest: keep which lines each test runs, and how each test ended.

The file is loaded alone and knows nothing of the playbook. RECORD says where it writes.
"""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import coverage
import pytest

Record = dict[str, Any]


class Recorder:
    """Listens to a run, in the process to which all others report."""

    def __init__(self, root: Path) -> None:
        self.root, self.ended = root, dict[str, Record]()

    def relative(self, path: str) -> str:
        """Return a path as the project says it."""
        return os.path.relpath(self.root / path, self.root)

    def crash(self, report: pytest.TestReport | pytest.CollectReport) -> Record:
        """Return where a test failed, and what was said."""
        where = getattr(report.longrepr, "reprcrash", None)
        path = report.nodeid.partition("::")[0]
        said = where or (report.longrepr and str(report.longrepr).strip().splitlines()[-1])
        return {
            "path": self.relative(where.path if where else path),
            "line": where.lineno if where else 1,
            "said": where.message if where else str(said),
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's three phases, how long they took, and what it measured."""
        kept = self.ended.setdefault(report.nodeid, {"outcome": "passed", "seconds": 0.0})
        kept["seconds"] += report.duration
        if report.failed and kept["outcome"] != "failed":
            kept |= {"outcome": "failed", "when": report.when, **self.crash(report)}
        elif report.skipped and not hasattr(report, "wasxfail") and kept["outcome"] == "passed":
            assert isinstance(report.longrepr, tuple)
            kept |= {"outcome": "skipped", "said": report.longrepr[2]}

        if report.user_properties:
            kept["measured"] = dict(report.user_properties)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep which file couldn't be read."""
        if report.failed:
            failed = {"outcome": "failed", "seconds": 0.0, "when": "collection"}
            self.ended[report.nodeid] = failed | self.crash(report)

    def pytest_unconfigure(self) -> None:
        """Write what was kept; pytest-cov has stored its data by now."""
        data = coverage.CoverageData(os.environ.get("COVERAGE_FILE", ".coverage"))
        data.read()
        lines: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for file in data.measured_files():
            for line, contexts in sorted(data.contexts_by_lineno(file).items()):
                for test in {context.rpartition("|")[0] for context in contexts if line > 0}:
                    lines[self.relative(file)][test].append(line)
        told = {"ended": self.ended, "lines": lines}
        Path(os.path.expandvars(os.environ["RECORD"])).write_text(json.dumps(told))


def pytest_configure(config: pytest.Config) -> None:
    """Listen, unless this process is one that reports to another."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.rootpath))
