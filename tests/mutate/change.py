"""Mutate what a change touches: a few mutants of each snippet, chosen by what it says now."""

import hashlib
import re
import subprocess
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from tests.engine.pages import ROOT
from tests.mutate.mutants import Mutant

BASES = ("origin/main", "main")
ROOMS = ("docs", "snippets", "tests/prove")
PAGE = re.compile(r"(?:docs|snippets|tests/prove)/(\w+)/(?:test_)?(\w+)[./]")
FEW, MOST = 3, 12  # mutants of a snippet, and of a change


def git(root: Path, *arguments: str) -> str:
    """Return what git says, or nothing where it can't."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def changed(root: Path = ROOT) -> set[str]:
    """Return the folders of snippets whose page, snippets or tests differ from the main branch."""
    bases = (git(root, "merge-base", "HEAD", base) for base in BASES)
    base = next(filter(None, bases), "HEAD")
    told = git(root, "diff", "--name-only", base, "--", *ROOMS)
    told += "\n" + git(root, "ls-files", "--others", "--exclude-standard", "--", *ROOMS)
    return {f"{page[1]}/{page[2]}/" for page in map(PAGE.match, told.split("\n")) if page}


def few(mutants: Iterable[Mutant]) -> list[Mutant]:
    """Return a few of the mutants of each snippet, others whenever the snippet changes."""

    def place(mutant: Mutant) -> str:
        return hashlib.sha256(mutant.source.encode()).hexdigest()

    chosen = [
        sorted(each, key=place)[:FEW] for _, each in groupby(mutants, lambda mutant: mutant.path)
    ]
    turns = [each[turn : turn + 1] for turn in range(FEW) for each in chosen]
    return [mutant for turn in turns for mutant in turn][:MOST]
