"""A repository of git in which a test publishes: what it says, and what a test writes into it."""

import json
import re
import subprocess
from pathlib import Path

from tests.engine import ledger


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def prove(copy: Path, block: str = "passed", claim: str = "passed", of: str = "HEAD") -> None:
    """Write a ledger of a commit, in which one block and one claim came out so."""
    told = {
        "runs": [{"commit": git(copy, "rev-parse", of)}],
        "blocks": [{"page": "a.md", "line": 1, "proofs": [{"outcome": block}]}],
        "claims": [{"page": "a.md", "line": 2, "outcome": claim}],
    }
    text = json.dumps(told | {"digest": ledger.digest(told)})
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
