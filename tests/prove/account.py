"""The account of the guide that this playbook started from: each of its rows, and what became of it.

A row of `snippets/data/inventory.toml` names the page, the heading and the test of its topic. The
account quotes a sentence that this test holds there, so that nothing new is said. The update run
writes it into `docs/corrections.md`.
"""

import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify

from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError
from tests.prove import claims, places, prose
from tests.prove.claims import ACCOUNT
from tests.prove.sentences import LABELS, LINK, Sentence, parted, plain, sentences

INVENTORY = SNIPPETS / "data/inventory.toml"
CHAPTERS: dict[str, dict[str, Any]] = tomllib.loads((SNIPPETS / "data/chapters.toml").read_text())
Row = dict[str, str]


@functools.cache
def rows() -> dict[str, Row]:
    """Return the rows of the inventory by their names, in its order."""
    return tomllib.loads(INVENTORY.read_text())


def refuse(name: str, reason: str, cure: str) -> RefusedError:
    """Return the refusal of a row, at its line."""
    header = f'["{name}"]' if "." in name else f"[{name}]"
    line = INVENTORY.read_text().splitlines().index(header) + 1
    return RefusedError(INVENTORY, line, reason, cure)


def test_of(row: Row) -> tuple[Path, str]:
    """Return the file and the name of the test that shows what is said of a row."""
    file, _, name = row["test"].partition("::")
    return ROOT / "tests/prove" / Path(row["page"]).parent / file, name


def chapter(row: Row) -> str:
    """Return the title of the chapter where a row went."""
    return str(CHAPTERS.get(row["page"].partition("/")[0], {"title": "Others"})["title"])


def quoted(row: Row) -> str:
    """Return what the page of a row says of it: what the row asks for, or what its test holds.

    Of what its test holds, that is a sentence below its heading, or else another of the page.
    """
    file, name = test_of(row)
    declared = claims.declared(file)
    held = [claim.text for claim in declared if claim.function == name]
    if wanted := row.get("says"):
        held = [claim.text for claim in declared if claim.function and claim.text == plain(wanted)]
    said = [one for one in sentences(DOCS / row["page"]) if one.text in held]
    best = sorted(said, key=lambda one: (one.kind != "text", one.heading != row["heading"]))
    return markdown(best[0]) if best else ""


def markdown(sentence: Sentence) -> str:
    """Return the Markdown of a sentence, without links and with its cells as parts."""
    parts = parted(sentence.markdown) if sentence.kind == "text" else [sentence.markdown]
    found = next(part for part in parts if plain(part) == sentence.text)
    return ": ".join(
        " ".join(LINK.sub(r"\2", found).replace("**", "").split()).split(" | ")
    ).rstrip(":")


def listed(title: str) -> str:
    """Return the rows that went into a chapter, as a table."""
    lines = [
        f"| {row['topic']} | {row['state']} | {quoted(row)} | {link(row)} |"
        for row in rows().values()
        if chapter(row) == title
    ]
    head = ["| Topic | It was | What a test shows now | Where |", "|---|---|---|---|"]
    return "".join(f"{line}\n" for line in [*head, *lines])


def link(row: Row) -> str:
    """Return a link to where a row went: to its heading, or to the page where that is a label."""
    heading, title = row["heading"], places.title(DOCS / row["page"])
    if heading in LABELS or heading == title:
        return f"[{title}]({row['page']})"
    return f"[{heading}]({row['page']}#{slugify(plain(heading), '-')})"


def written() -> str:
    """Return all tables, each below its chapter's title, in reading order."""
    known = [*(one["title"] for one in CHAPTERS.values()), "Others"]
    there = {chapter(row) for row in rows().values()}
    return "\n".join(f"### {title}\n\n{listed(title)}" for title in known if title in there)


def words(page: Path) -> tuple[set[str], set[str]]:
    """Return the figures and the inline code of the account's rows: the quoted pages hold them."""
    rows = [one for one in sentences(page) if page == ACCOUNT and one.kind == "row"]
    figures = {f for one in rows for f in prose.figures_in(one.markdown, one.text)}
    return figures, {code.strip() for one in rows for _, code in prose.CODE.findall(one.markdown)}


def hold() -> Iterator[RefusedError]:
    """Yield the refusals of rows whose test says nothing."""
    for name, row in rows().items():
        if not quoted(row):
            reason = f"{row['test']} holds no sentence of docs/{row['page']}"
            yield refuse(name, reason, "Name the test that shows what became of it")
