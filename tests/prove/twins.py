"""Show how a "don't" differs from its "do", and what a reader will see when it fails.

The lines that differ are highlighted in the fence of the "don't". What it ends in stands in a file
beside it, `blocked.fails.out` for `blocked.py`, which the page shows below it. `make update` writes
both. Nothing else on a page is highlighted, so a highlight is the mark of a "don't".
"""

import ast
import difflib
import itertools
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pages import SNIPPETS, Block, RefusedError, parses
from tests.engine.plugin import STATE
from tests.engine.proof import Session
from tests.prove import prose

LIGHT = re.compile(r' hl_lines="([^"]*)"')
UPDATE = "Run `make update` and read the diff"
NOTHING_RAISED = re.compile(r"DID NOT RAISE (?:any of )?(?:<class ')?([^'>]+)")
Pairs = dict[str, str]  # the path of each "don't", and that of its "do"
TWINS = pytest.StashKey[Pairs]()
TELLS = pytest.StashKey[
    Pairs
]()  # the test whose failure the page shows, by the path of its "don't"


def pairs(items: list[pytest.Item]) -> Pairs:
    """Return the twins: the "do" of a "don't" is what its test takes first and must pass."""
    found: Pairs = {}
    tests: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if "snippet" in getattr(getattr(item, "callspec", None), "params", {}):
            name = getattr(item, "originalname", item.name)
            tests.setdefault((item.path, name), []).append(item)
    for group in tests.values():
        paths = [(item.callspec.params["snippet"], item) for item in group]  # type: ignore[attr-defined]  # it has one
        dos = [path for path, item in paths if not item.get_closest_marker("xfail")]
        for path, item in paths:
            if item.get_closest_marker("xfail") and dos:
                found.setdefault(path, dos[0])
    return found


def dont(
    path: str, match: str, *marks: pytest.MarkDecorator, error: type[Exception] = AssertionError
) -> Any:
    """Return a "don't" for the parameter `snippet`, which must fail as `match` says."""
    raises = pytest.RaisesExc(error, match=match)
    fails = pytest.mark.xfail(strict=True, raises=raises)  # its page says why
    return pytest.param(path, marks=[fails, *marks])


def scaffold(source: str) -> set[int]:
    """Return the lines of a Python file that only prove the rest: its imports, and its `main`.

    The site folds them, when more than an import stands there.
    """
    tree, found = ast.parse(source), set[int]()
    for node in tree.body:
        main = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "main"
        guard = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        if isinstance(node, ast.Import | ast.ImportFrom) or main or guard:
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def idea(file: Path) -> set[int]:
    """Return the lines of a file that do something, and don't only prove what does.

    They are no comment, no docstring, no blank, no import and no part of `main`.
    """
    source = file.read_text()
    lines = enumerate(source.splitlines(), start=1)
    found = {n for n, text in lines if text.strip() and not text.lstrip().startswith("#")}
    if file.suffix != ".py" or not parses(file):
        return found
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            case _:
                pass
    return found - scaffold(source) or found


def difference(do: Path, dont: Path) -> set[int]:
    """Return the lines in which a "don't" differs from its "do"; where it lacks some, the next."""
    theirs, ours = do.read_text().splitlines(), dont.read_text().splitlines()
    told = {path: idea(path) for path in (do, dont)}
    found = set[int]()
    matcher = difflib.SequenceMatcher(None, theirs, ours, autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        new = set(range(first + 1, last + 1)) & told[dont]
        lost = set(range(start + 1, end + 1)) & told[do]
        if kind != "equal" and lost and not new:
            below = [n for n in sorted(told[dont]) if n > first]
            new = set(below[:1] or sorted(told[dont])[-1:])
        found |= new if kind != "equal" else set()
    return found or set(sorted(told[dont])[:1])


def written(lines: set[int]) -> str:
    """Return some lines as a fence names them: `2 5-7`."""
    spans: list[list[int]] = []
    for line in sorted(lines):
        if spans and line == spans[-1][-1] + 1:
            spans[-1].append(line)
        else:
            spans.append([line])
    return " ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else f"{s[0]}" for s in spans)


def highlight(block: Block, twins: Pairs) -> str:
    """Return which lines of a block must be highlighted, counted from its first."""
    do = twins.get(block.path)
    if do is None:
        return ""
    first = min(block.lines) if block.section else 1
    lines = difference(SNIPPETS / do, block.file) & set(block.lines)
    return written({line - first + 1 for line in lines})


def outcome(error: BaseException) -> str:
    """Return what a reader sees of a failure: the end of a traceback, or the symptom."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    first = str(error).partition("\n")[0].strip()
    if lacking := NOTHING_RAISED.match(first):
        return f"No {lacking[1].rpartition('.')[2]} is raised.\n"
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return f"{first[:1].upper()}{first[1:]}\n"
    return traceback.format_exception_only(error)[0].partition("\n")[0] + "\n"


def seen(path: str) -> Path:
    """Return the file that keeps what a reader sees when a "don't" fails."""
    return (SNIPPETS / path).with_suffix(".fails.out")


def hold_outcome(path: str, error: BaseException, session: Session) -> None:
    """Refuse a "don't" that no longer ends in what the page shows."""
    file, now = seen(path), outcome(error)
    if session.updating:
        file.write_text(now)
    then = file.read_text() if file.exists() else ""
    if then != now:
        at = file if file.exists() else SNIPPETS / path
        reason = f"a reader sees {now.strip()!r} when it fails, but the page shows {then.strip()!r}"
        raise RefusedError(at, 1, reason, UPDATE)


def learn(items: list[pytest.Item], config: pytest.Config) -> None:
    """Learn the twins, and which test tells what is seen of a "don't": the first in its file."""
    twins, session = pairs(items), config.stash[STATE]
    config.stash[TWINS], config.stash[TELLS] = twins, {}
    for item in sorted(items, key=lambda item: (item.path, item.location[1] or 0)):
        path = getattr(getattr(item, "callspec", None), "params", {}).get("snippet")
        if path in twins and item.get_closest_marker("xfail"):
            if config.stash[TELLS].setdefault(path, item.nodeid) == item.nodeid:
                session.proving[str(seen(path).relative_to(SNIPPETS))].add(item.nodeid)


def hold_report(item: pytest.Item, path: str, error: BaseException) -> str | None:
    """Return the refusal of what a "don't" ended in, where that isn't what its page shows."""
    if item.config.stash[TELLS].get(path) == item.nodeid:
        try:
            hold_outcome(path, error, item.config.stash[STATE])
        except RefusedError as refusal:
            return str(refusal)
    return None


def hold_page(page: Path, twins: Pairs, *, updating: bool) -> None:
    """Refuse a fence of a page whose highlight isn't the difference, or that hides a failure."""
    if updating:
        renew(page, twins)
    text = page.read_text().splitlines()
    blocks = prose.blocks(page)
    for block, below in itertools.zip_longest(blocks, blocks[1:]):
        light, wanted = LIGHT.search(text[block.line - 1]), highlight(block, twins)
        lines = light[1] if light else ""
        if lines != wanted and not wanted:
            reason = f'{block.path} is no "don\'t", and lines {lines} of it are highlighted'
            raise block.refuse(reason, "Remove hl_lines: the mark is for what fails")
        if lines != wanted:
            reason = f"lines {wanted} differ from {twins[block.path]}, not {lines or 'none'}"
            raise block.refuse(reason, f'{UPDATE}; it writes hl_lines="{wanted}"')
        if below and below.file == block.file and block.path.endswith(".fails.out"):
            raise below.refuse("it stands above already", "Show it once")
        if wanted and (below is None or below.file != seen(block.path)):
            reason = f"the page does not show what a reader sees when {block.path} fails"
            raise block.refuse(
                reason, f"{UPDATE}; it shows {seen(block.path).name} below the block"
            )


def renew(page: Path, twins: Pairs) -> None:
    """Write the highlights of a page, and below each "don't" what a reader will see."""
    lines = page.read_text().splitlines(keepends=True)
    blocks = prose.blocks(page)
    for block, below in reversed([*itertools.zip_longest(blocks, blocks[1:])]):
        opening, wanted = block.line - 1, highlight(block, twins)
        bare = LIGHT.sub("", lines[opening]).rstrip("\n")
        lines[opening] = bare + (f' hl_lines="{wanted}"' if wanted else "") + "\n"
        if wanted and (below is None or below.file != seen(block.path)):
            lines[opening + 3 : opening + 3] = shown_below(block, lines[opening])
    page.write_text("".join(lines))
    prose.blocks.cache_clear()


def shown_below(block: Block, fence: str) -> Iterator[str]:
    """Return the fence that shows what a reader sees, as deep as the fence of its "don't"."""
    indent, ticks = re.match(r"(\s*)(`+|~+)", fence).groups()  # type: ignore[union-attr]  # a fence begins so
    path = seen(block.path).relative_to(SNIPPETS)
    told = ("", f'{ticks}text title="{path}"', f'--8<-- "{path}"', ticks)
    yield from (f"{indent}{line}".rstrip() + "\n" for line in told)
