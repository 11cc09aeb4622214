"""A repository of git in which a test publishes: what it says, and what a test writes into it."""

import json
import re
import subprocess
from pathlib import Path

from tests.engine import ledger
from tests.prove import pythons


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def prove(
    copy: Path,
    block: str = "passed",
    claim: str = "passed",
    of: str = "HEAD",
    on: dict[str, str] | None = None,
) -> None:
    """Write a ledger of a commit, in which one block and one claim came out so.

    The block was proven on some Pythons, each with a run, or on each that is supported.
    """
    every = dict.fromkeys(pythons.tested(copy / pythons.WORKFLOW), "run")
    proof, told = {"outcome": block, "run": "run"}, {"page": "a.md", "pythons": every}
    ledger_ = {
        "runs": [{"id": "run", "python": "3.11.7", "commit": git(copy, "rev-parse", of)}],
        "blocks": [told | {"line": 1, "proofs": [proof], "pythons": on or every}],
        "claims": [told | {"line": 2, "outcome": claim, "run": "run"}],
    }
    text = json.dumps(ledger_ | {"digest": ledger.digest(ledger_)})
    (copy / "docs/ledger.json").write_text(text)


def redirect(copy: Path, old: str, new: str) -> None:
    """Say where a page is now."""
    config = copy / "mkdocs.yml"
    told = f"redirect_maps:\n        {old}: {new}"
    text = config.read_text()
    assert text.count("redirect_maps:") == 1
    config.write_text(re.sub(r"redirect_maps:( \{\})?$", told, text, flags=re.MULTILINE))


def leave_out(copy: Path, page: str) -> None:
    """Remove a page and its entry in the navigation."""
    (copy / "docs" / page).unlink()
    config = copy / "mkdocs.yml"
    config.write_text(config.read_text().replace(f"      - {page}\n", ""))


def state(copy: Path) -> list[str]:
    """Return all that publishing may change, here and at the remote."""
    return [
        git(copy, "ls-remote", "origin"),
        git(copy, "for-each-ref"),
        git(copy, "status", "--porcelain"),
    ]
