"""Hold the files that a page shows to what they were when its sentences were agreed.

A careless edit of a block can leave its tests green and its sentences false: `< 0.6` becomes `< 6`,
a comment says the opposite. So `checks.toml` keeps a short digest of each line that a bound page
shows of a program or of a configuration, and who changes one is sent to the sentences beside it.
"""

import difflib
import hashlib
import os
import tomllib
from pathlib import Path

from tests.engine.pages import ROOT, SNIPPETS, Block, RefusedError, test_of
from tests.prove import prose

PROGRAMS = {".py", ".sh", ".toml", ".yml", ".conf"}  # the rest is an output, or drawn
MUTATED = "PLAYBOOK_MUTATED"  # in the environment: a mutant's own tests must tell of it
Digests = dict[str, str]


def digests(path: Path) -> str:
    """Return a short digest of each line of a file."""
    lines = path.read_text().splitlines()
    return " ".join(hashlib.sha256(line.rstrip().encode()).hexdigest()[:4] for line in lines)


def shown(page: Path) -> dict[str, Block]:
    """Return the programs that a page shows, each with its first block; the service has its own."""
    found = dict[str, Block]()
    for block in prose.blocks(page):
        own = not block.path.startswith("service/") and (SNIPPETS / block.path).is_file()
        if own and Path(block.path).suffix in PROGRAMS:
            found.setdefault(block.path, block)
    return found


def kept(page: Path) -> Digests:
    """Return the digests that the record beside a page's test has."""
    store = (ROOT / test_of(page)).with_name("checks.toml")
    told: Digests = tomllib.loads(store.read_text()).get("blocks", {}) if store.exists() else {}
    return told


def renewed(page: Path) -> Digests:
    """Return the digests of a folder's record, those of a page as they are now."""
    every = {**kept(page), **{path: digests(SNIPPETS / path) for path in shown(page)}}
    return {path: told for path, told in every.items() if (SNIPPETS / path).is_file()}


def changed(page: Path) -> list[RefusedError]:
    """Return the refusals of programs that aren't what they were beside these sentences.

    A program that no record knows is new: nothing was agreed beside another one.
    """
    if MUTATED in os.environ:
        return []
    found, known = [], kept(page)
    for path, block in shown(page).items():
        now = digests(SNIPPETS / path).split()
        then = known[path].split() if path in known else now
        edits = difflib.SequenceMatcher(None, then, now, autojunk=False).get_opcodes()
        at = next((start for tag, _, _, start, _ in edits if tag != "equal"), None)
        if at is not None:
            where = f"{page.relative_to(ROOT)}:{block.line}"
            reason = f"this line is another than when the sentences at {where} were agreed"
            cure = f"Read the section {block.heading!r} again; `make update` records the change"
            found.append(RefusedError(SNIPPETS / path, min(at + 1, len(now)), reason, cure))
    return found
