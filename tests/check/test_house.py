"""The house: every Python file is typed and linted, and each room holds what it should."""

import subprocess
import sys

from tests.engine.pages import ROOT

ROOMS = {"docs", "snippets", "tests"}
FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "conftest.py",
    "mkdocs.yml",
    "pyproject.toml",
    "requirements-successor.txt",
    "requirements.txt",
}


def run(*command: str) -> None:
    """Run a program of the environment at the root; fail with what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_are_typed() -> None:
    run("mypy", "tests", "conftest.py")


def test_the_tests_are_linted() -> None:
    run("ruff", "check", "tests", "conftest.py")


def test_the_tests_are_formatted() -> None:
    run("ruff", "format", "--check", "tests", "conftest.py")


def test_nothing_stands_at_the_top_but_the_house() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith((".", "__"))}
    assert found - {"site"} == ROOMS | FILES


def test_the_engine_can_be_read_in_one_sitting() -> None:
    lines = sum(len(file.read_text().splitlines()) for file in ROOT.glob("tests/engine/*.py"))
    assert 0 < lines < 1000
