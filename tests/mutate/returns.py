"""Let the mistakes of the source guide return, and see the test that each row names refuse them.

A mistake returns as the "don't" that the test is given too, which must fail it as declared, or as
an edit of `returns.toml` in a copy of the project. Run it as `python -m tests.mutate.returns`.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.engine.pages import ROOT
from tests.parts.copies import copied
from tests.prove import account

PLANTED = Path(__file__).with_name("returns.toml")
LEAST = 30  # rows whose mistake returns
TOLD = "PLAYBOOK_RETURNS"  # in the environment: where the plugin writes
PYTEST = [sys.executable, "-m", "pytest", "--quiet"]
HOUSE = ["--config-file", str(ROOT / "pyproject.toml"), "-p", "tests.mutate.returns"]


class Donts:
    """What tests say of the "don'ts" that they are given: a plugin, which writes it down."""

    def __init__(self, told: Path) -> None:
        self.told = told
        self.names: dict[str, list[str]] = {}
        self.refused: dict[str, bool] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the "don'ts" alone."""
        kept = [item for item in items if item.get_closest_marker("xfail")]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        for item in kept:
            test = f"{item.path}::{getattr(item, 'originalname', item.name)}"
            self.names.setdefault(test, []).append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note whether one fails its test, and as declared."""
        if report.when == "call" or report.failed:
            self.refused[report.nodeid] = report.skipped and hasattr(report, "wasxfail")

    def pytest_sessionfinish(self) -> None:
        """Write what was refused, by test."""
        told = {
            test: {each: self.refused.get(each, False) for each in ids}
            for test, ids in self.names.items()
        }
        self.told.write_text(json.dumps(told))


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the session that asks for it."""
    if told := os.environ.get(TOLD):
        config.pluginmanager.register(Donts(Path(told)))


def corrected() -> dict[str, str]:
    """Return the tests of the rows that were corrected, by their names."""
    rows = {name: row for name, row in account.rows().items() if row["state"] == "corrected"}
    return {name: "::".join(map(str, account.test_of(row))) for name, row in rows.items()}


def twins(tests: Iterable[str]) -> dict[str, dict[str, bool]]:
    """Return which "don'ts" of some tests fail as declared, by test; they run in one session."""
    with tempfile.TemporaryDirectory(prefix="returns-") as folder:
        told = Path(folder, "told.json")
        command = [*PYTEST, *HOUSE, *sorted({*tests})]
        subprocess.run(command, cwd=ROOT, env={**os.environ, TOLD: str(told)}, stdout=sys.stderr)
        found: dict[str, dict[str, bool]] = json.loads(told.read_text())
        return found


def planted() -> Iterator[tuple[str, str, bool]]:
    """Yield the rows of the list, what is planted, and whether the row's test refuses it."""
    tests = corrected()
    with tempfile.TemporaryDirectory(prefix="returns-") as folder:
        for number, each in enumerate(tomllib.loads(PLANTED.read_text())["planted"]):
            copy = copied(Path(folder, str(number)))
            (copy / ".venv").symlink_to(ROOT / ".venv")
            file = copy / each["file"]
            text = file.read_text()
            told = f"{each['old']} -> {each['new']}"
            if text.count(each["old"]) != 1:
                yield each["row"], f"{told}: it can't be planted", False
                continue
            test = tests[each["row"]].replace(str(ROOT), str(copy))
            before = subprocess.run([*PYTEST, test], cwd=copy, capture_output=True).returncode
            file.write_text(text.replace(each["old"], each["new"]))
            after = subprocess.run([*PYTEST, test], cwd=copy, capture_output=True).returncode
            yield each["row"], told, (before, after) == (0, 1)


def returns() -> dict[str, dict[str, bool]]:
    """Return what comes back of each row's mistake, and whether the row's test refuses it."""
    tests = corrected()
    refused = twins(tests.values())
    found = {name: refused[test] for name, test in tests.items() if test in refused}
    for row, told, ends in planted():
        found.setdefault(row, {})[told] = ends
    return found


def complaints(found: dict[str, dict[str, bool]]) -> list[str]:
    """Return the mistakes that may return, and say when too few were tried."""
    told = [
        f"{row}: {each}: the test of the row doesn't refuse it. Let it hold what was corrected."
        for row, mistakes in found.items()
        for each, refused in mistakes.items()
        if not refused
    ]
    if len(found) < LEAST:
        told.append(f"{len(found)} rows were tried, of {LEAST}. Plant more in {PLANTED.name}.")
    return told


def main() -> int:
    """Print each row, what returned, and what was not refused; return 1 for that, else 0."""
    found = returns()
    for row, mistakes in found.items():
        print(f"{row}: {account.rows()[row]['topic']}: {json.dumps([*mistakes])}")
    wrong = complaints(found)
    print(*wrong, f"{len(found)} rows, {len(wrong)} complaints.", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
