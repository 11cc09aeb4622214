"""Which Pythons are tested, as the workflows say, and how a sentence names them."""

from pathlib import Path

import yaml
from packaging.version import Version

from tests.engine.pages import ROOT, SNIPPETS

WORKFLOWS = [root / ".github/workflows/test.yml" for root in (ROOT, SNIPPETS / "service")]


def tested(workflow: Path) -> list[str]:
    """Return the Pythons of the matrix of a workflow."""
    told = yaml.safe_load(workflow.read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert told == sorted(told, key=Version), "from the floor up"
    return list(told)


def named() -> str:
    """Return what each sentence says of the Pythons that are tested: Python 3.11 to 3.13."""
    (first, last) = {(each[0], each[-1]) for each in map(tested, WORKFLOWS)}.pop()
    return f"Python {first} to {last}"
