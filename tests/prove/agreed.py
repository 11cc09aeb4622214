"""Hold what a page shows to what it was when the sentences beside it were agreed.

What a block does, its tests hold. What it says, in a comment or a docstring, no test can hold, and
no test holds what nobody thought of. So the record beside a page's test keeps a short digest of
each paragraph of its programs, and who changes one is sent to the sentences beside it, once. It
tells of a change and proves nothing: `make update` takes it over.
"""

import difflib
import hashlib
import os
import re
import tomllib
from pathlib import Path

from tests.engine.pages import ROOT, SNIPPETS, Block, RefusedError, test_of
from tests.prove import prose

PROGRAMS = {".py", ".sh", ".toml", ".yml", ".conf"}  # the rest is an output, or drawn
MUTATED = "PLAYBOOK_MUTATED"  # in the environment: a mutant's own tests must tell of it
PARAGRAPH = re.compile(r"(?:.*\S.*(?:\n|$))+")
KEY = "blocks"  # in the record, beside the names of tests


def paragraphs(path: Path) -> list[tuple[int, str]]:
    """Return the paragraphs of a file, each with its first line and a digest, but for imports."""
    text, found = path.read_text(), list[tuple[int, str]]()
    for each in PARAGRAPH.finditer(text):
        if not each[0].startswith(("import ", "from ")):
            digest = hashlib.sha256(each[0].strip().encode()).hexdigest()[:6]
            found.append((text.count("\n", 0, each.start()) + 1, digest))
    return found


def shown(page: Path) -> dict[str, Block]:
    """Return the programs that a page shows, each with its first block; the service has its own."""
    found = dict[str, Block]()
    for block in prose.blocks(page):
        own = not block.path.startswith("service/") and (SNIPPETS / block.path).is_file()
        if own and Path(block.path).suffix in PROGRAMS:
            found.setdefault(block.path, block)
    return found


def kept(page: Path) -> dict[str, list[str]]:
    """Return the digests that the record beside a page's test has, by the path of the program."""
    file = ROOT / test_of(page)
    store = file.with_name("checks.toml")
    told = tomllib.loads(store.read_text()).get(file.stem, {}) if store.exists() else {}
    return {path: digests for path, *digests in map(str.split, told.get(KEY, []))}


def renewed(page: Path) -> list[str]:
    """Return what the record must have of the programs of a page."""
    every = {path: paragraphs(SNIPPETS / path) for path in sorted(shown(page))}
    return [" ".join([path, *(digest for _, digest in told)]) for path, told in every.items()]


def changed(page: Path) -> list[RefusedError]:
    """Return the refusals of programs that aren't what they were beside these sentences.

    A program that no record knows is new: nothing was agreed beside another one.
    """
    if MUTATED in os.environ:
        return []
    found, known = [], kept(page)
    for path, block in shown(page).items():
        told = paragraphs(SNIPPETS / path)
        now = [digest for _, digest in told]
        edits = difflib.SequenceMatcher(None, known.get(path, now), now, autojunk=False)
        starts = [start for tag, *_, start, _ in edits.get_opcodes() if tag != "equal"]
        if starts:
            lines = [line for line, _ in told] or [1]
            where = f"{page.relative_to(ROOT)}:{block.line}"
            reason = f"this paragraph is another than when the sentences at {where} were agreed"
            cure = f"Read the section {block.heading!r} again; `make update` records the change"
            line = lines[min(starts[0], len(lines) - 1)]
            found.append(RefusedError(SNIPPETS / path, line, reason, cure))
    return found
