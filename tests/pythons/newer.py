"""What needs a newer Python than this one: it is skipped here, and proven where there is one.

A block says so to its reader in a comment, by PEP 723: `# requires-python = ">=3.13"`. A test says
so by `pytest.mark.since(3, 13)`, and the sentences that it holds name that Python.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.engine.pages import SNIPPETS, Block
from tests.engine.plugin import STATE

NEEDS = re.compile(r'^# requires-python = ">=(\d+)\.(\d+)"$', re.MULTILINE)
OUTPUT = re.compile(r"(?:\.fails)?\.out$")
Since = tuple[int, int]


def of_file(file: Path) -> Since | None:
    """Return the Python that a file says it needs; an output needs what its program does."""
    program = file.with_name(OUTPUT.sub(".py", file.name))
    python = program.suffix == ".py" and program.is_file()
    told = NEEDS.search(program.read_text()) if python else None
    return (int(told[1]), int(told[2])) if told else None


def of_item(item: pytest.Item) -> Since | None:
    """Return the Python that a block's item or a test needs, if it says so."""
    if mark := item.get_closest_marker("since"):
        major, minor = mark.args
        return int(major), int(minor)
    block = getattr(getattr(item, "example", None), "parsed", None)
    proves, given = item.get_closest_marker("proves"), getattr(item, "callspec", None)
    path = proves.args[0] if proves else given.params.get("snippet") if given else None
    file = block.file if isinstance(block, Block) else SNIPPETS / path if path else None
    return of_file(file) if file else None


def of_all(items: Iterable[pytest.Item]) -> Since | None:
    """Return the Python that all of some items need, if each needs one."""
    found = [of_item(item) for item in items]
    return max(filter(None, found)) if found and all(found) else None


def missing(since: Since | None) -> bool:
    """Tell whether this Python is older than what is needed."""
    return since is not None and since > sys.version_info[:2]


def named(since: Since) -> str:
    """Return the name of a minor version, such as 3.13."""
    return ".".join(map(str, since))


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    told = "since(major, minor): the test needs this Python, and what it holds says so"
    config.addinivalue_line("markers", told)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a newer Python than this one."""
    for item in items:
        since = of_item(item)
        if since and missing(since):
            reason = f"it needs Python {named(since)}"
            item.add_marker(pytest.mark.skip(reason=reason))  # another Python proves it


@pytest.hookimpl(tryfirst=True)  # before the ledger is written
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the ledger say which Python a block needs, also of one that is skipped here."""
    proof = session.config.stash[STATE]
    for block in proof.blocks.values():
        if since := of_file(block.file):
            if missing(since):
                entry = proof.entries[block.id] = proof.entry(block, {}, set(), set())
                entry["proofs"][0]["outcome"] = "skipped"
            if entry := proof.entries.get(block.id, {}):
                entry["since"] = named(since)
