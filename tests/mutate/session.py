"""Run the suite of a page on a mutant, in a process of its own."""

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.refuse.suite import run

MUTATED = "PLAYBOOK_MUTATED"  # in the environment: the path of the snippet


def suite(copy: Path, arguments: list[str], output: Path, path: str) -> None:
    """Run pytest in a copy until it refuses something, with a temporary folder of its own."""
    os.setsid()
    os.environ["TMPDIR"] = tempfile.tempdir = str(copy.with_name("tmp"))
    os.environ[MUTATED] = path
    run(copy, ["-p", __name__, "--maxfail=1", "--tb=native", *arguments], output)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Begin with what is most likely to refuse the mutant: its block, then its tests."""
    yield
    run_of, shows = f" run {os.environ[MUTATED]}", os.environ[MUTATED]
    items.sort(key=lambda item: (run_of not in item.name, f"[{shows}]" not in item.name))
