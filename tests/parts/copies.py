"""Copies of the project, for what would change it."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engine.batch import CACHE_LOCK
from tests.engine.pages import ROOT

# What another session may be writing, or is no part of the project.
LEFT_OUT = (".git", ".venv", ".ruff_cache", "site", ".ledger-*", "*.pyc.*")


def copied(target: Path, *, ledger: bool = False) -> Path:
    """Copy the project as it stands, with the cache of mypy if there is one, and return the copy.

    The ledger comes along on demand: while pages are proven it may go at any moment.
    """
    left_out = LEFT_OUT if ledger else (*LEFT_OUT, "ledger.json")
    with CACHE_LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        shutil.copytree(ROOT, target, symlinks=True, ignore=shutil.ignore_patterns(*left_out))
    return target


def warmed(copy: Path) -> None:
    """Let mypy make the cache of a copy that came without, so that copies of it start warm."""
    if not (copy / ".mypy_cache").exists():
        command = [sys.executable, "-m", "mypy", "snippets"]
        subprocess.run(command, cwd=copy, stdout=subprocess.DEVNULL)
