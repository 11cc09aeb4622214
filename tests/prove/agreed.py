"""Hold what a page shows to what it was when the sentences beside it were agreed.

What a block does, its tests hold. What it says, in a comment or a docstring, no test can hold, and
no test holds what nobody thought of. So the record beside a page's test keeps a short digest of
each paragraph of its programs, and who changes one is sent to the sentences beside it, once. It
tells of a change and proves nothing: `make update` takes it over. The order of the sentences is
agreed in the same way, for "it" and "then" mean what stands before them, and so is their text.
"""

import difflib
import hashlib
import itertools
import os
import re
import tomllib
from pathlib import Path

from tests.engine.pages import ROOT, SNIPPETS, Block, RefusedError, test_of
from tests.prove import claims, prose
from tests.prove.sentences import sentences

# The rest is an output, or drawn.
PROGRAMS = {".py", ".sh", ".sql", ".toml", ".ini", ".yml", ".conf"}
MUTATED = "PLAYBOOK_MUTATED"  # in the environment: a mutant's own tests must tell of it
PARAGRAPH = re.compile(r"(?:.*\S.*(?:\n|$))+")
BLOCKS, ORDER = "blocks", "order"
KEYS = {BLOCKS, ORDER}  # in the record, beside the names of tests


def paragraphs(path: Path) -> list[tuple[int, str]]:
    """Return the paragraphs of a file, each with its first line and a digest, but for imports."""
    text, found = path.read_text(), list[tuple[int, str]]()
    for each in PARAGRAPH.finditer(text):
        if not each[0].startswith(("import ", "from ")):
            found.append((text.count("\n", 0, each.start()) + 1, digest(each[0].strip())))
    return found


def digest(text: str) -> str:
    """Return a few characters that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def shown(page: Path) -> dict[str, Block]:
    """Return the programs that a page shows, each with its first block; the service has its own."""
    found = dict[str, Block]()
    for block in prose.blocks(page):
        own = not block.path.startswith("service/") and (SNIPPETS / block.path).is_file()
        if own and Path(block.path).suffix in PROGRAMS:
            found.setdefault(block.path, block)
    return found


def record(page: Path, key: str) -> list[list[str]]:
    """Return what the record beside a page's test has of its programs, or of its order."""
    file = ROOT / test_of(page)
    store = file.with_name("checks.toml")
    told = tomllib.loads(store.read_text()).get(file.stem, {}) if store.exists() else {}
    return [row.split() for row in told.get(key, [])]


def kept(page: Path) -> dict[str, list[str]]:
    """Return the digests that the record beside a page's test has, by the path of the program."""
    return {path: digests for path, *digests in record(page, BLOCKS)}


def renewed(page: Path) -> dict[str, list[str]]:
    """Return what the record must have of a page: its programs, and its order by sections."""
    every = {path: paragraphs(SNIPPETS / path) for path in sorted(shown(page))}
    rows = [" ".join([path, *(sign for _, sign in told)]) for path, told in every.items()]
    sections = itertools.groupby(sentences(page), lambda one: one.heading)
    order = [" ".join(digest(one.text) for one in section) for _, section in sections]
    return {key: told for key, told in {BLOCKS: rows, ORDER: order}.items() if told}


def moved(page: Path) -> list[RefusedError]:
    """Return the refusal of the first sentence that stands below what it stood above."""
    signs = [*itertools.chain(*record(page, ORDER))]
    then = {sign: place for place, sign in enumerate(signs) if signs.count(sign) == 1}
    last, above = -1, ""
    for one in sentences(page):
        place = then.get(digest(one.text), last)
        if place < last:
            reason = f"{one.text!r} stood above {above!r} when the order was agreed"
            cure = "Read what is around it again; `make update` records the order"
            return [RefusedError(page, one.line, reason, cure)]
        last, above = place, one.text
    return []


def known(page: Path) -> set[str]:
    """Return the digests of the sentences that were agreed on a page; none where it is new."""
    return {*itertools.chain(*record(page, ORDER))}


def unknown(page: Path) -> list[RefusedError]:
    """Return the refusal of the first sentence that is another than what was agreed."""
    signs = set[str]() if MUTATED in os.environ else known(page)
    declared = {claim.text for claim in claims.declared(ROOT / test_of(page))}
    for one in sentences(page) if signs else ():
        if digest(one.text) in signs:
            continue
        reason = f"{one.text!r} isn't what was agreed"
        cure = "See that what holds it shows it; `make update` records the sentence"
        if one.text not in declared and claims.of_itself(one) == "sourced":
            reason = f"only its link holds {one.text!r}, and it isn't what was agreed"
            cure = "Read there what it says; `make update` records the sentence"
        return [RefusedError(page, one.line, reason, cure)]
    return []


def changed(page: Path) -> list[RefusedError]:
    """Return the refusals of programs and of an order that aren't what they were.

    A program that no record knows is new: nothing was agreed beside another one.
    """
    if MUTATED in os.environ:
        return []
    found, then = moved(page), kept(page)
    for path, block in shown(page).items():
        told = paragraphs(SNIPPETS / path)
        now = [sign for _, sign in told]
        edits = difflib.SequenceMatcher(None, then.get(path, now), now, autojunk=False)
        starts = [start for tag, *_, start, _ in edits.get_opcodes() if tag != "equal"]
        if starts:
            lines = [line for line, _ in told] or [1]
            where = f"{page.relative_to(ROOT)}:{block.line}"
            reason = f"this paragraph is another than when the sentences at {where} were agreed"
            cure = f"Read the section {block.heading!r} again; `make update` records the change"
            line = lines[min(starts[0], len(lines) - 1)]
            found.append(RefusedError(SNIPPETS / path, line, reason, cure))
    return found
