"""Which Pythons are tested, as the workflows say, and how a sentence names them."""

from pathlib import Path

import yaml
from packaging.version import Version

from tests.engine.pages import ROOT, SNIPPETS

WORKFLOW = ".github/workflows/test.yml"
WORKFLOWS = [root / WORKFLOW for root in (ROOT, SNIPPETS / "service")]


def tested(workflow: Path) -> list[str]:
    """Return the Pythons of the matrix of a workflow."""
    told = yaml.safe_load(workflow.read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert told == sorted(told, key=Version), "from the floor up"
    return list(told)


def named() -> str:
    """Return what each sentence says of the Pythons that are tested: Python 3.11 to 3.13."""
    (first, last) = {(each[0], each[-1]) for each in map(tested, WORKFLOWS)}.pop()
    return f"Python {first} to {last}"


def minor(version: str) -> str:
    """Return the minor version of a Python, such as 3.12 of 3.12.1."""
    return ".".join(version.split(".")[:2])


def words(minors: list[str]) -> str:
    """Return some Pythons in words: 3.11, 3.12 and 3.13."""
    return " and ".join([", ".join(minors[:-1]), *minors[-1:]] if minors[1:] else minors)
