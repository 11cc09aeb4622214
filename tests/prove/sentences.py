"""Read the sentences of a page: what stands in no fence, as the reader sees it.

Paragraphs are parted into sentences. A heading, a list item, a row of a table, a title, an
alternative text are sentences too.
"""

import functools
import html
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document

from tests.engine.pages import INCLUDE, SNIPPETS, fences

LINK = re.compile(r"(!?)\[((?:[^\[\]`]|`[^`]*`)*)\]\(([^()\s]*)(?: \"[^\"]*\")?\)(?:\{[^{}]*\})?")
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)|<(https?:[^>]+)>")
MARKUP = re.compile(r"<[^>]+>|(?<!\*)(\*\*?)(?=\S)(.+?)(?<=\S)\1(?!\*)", re.DOTALL)
END = re.compile(r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<=[.!?])[\"')]*\s+")
HEADING = re.compile(r"(#+) (.+?)(?: \{[^{}]*\})?$")
TITLE = re.compile(r"(?:!!!|\?\?\?\+?) [\w ]+?(?: \"(.*)\")?$")
ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
ROW = re.compile(r"\s*\|(.+)\|\s*$")
RULE = re.compile(r"\s*\|[-:| ]+\|\s*$")
ALT = re.compile(r"!\[([^\[\]]+)\]|<img[^>]* alt=\"([^\"]+)\"")
SVG = re.compile(r"<(title|desc)>([^<]+)</")
TAB = re.compile(r'=== "[\w ]{1,20}"$')  # its name, which says nothing
SKIPPED = re.compile(r"\s*<[^>]* data-|:::|\{:|\[[^\]]+\]: |<!--|\s*<svg")
LABELS = {  # of sections, which say what stands there and nothing that is true or false
    "When you need this",
    "The rule",
    "Do",
    "Don't",
    "In your code",
    "Why",
    "Check",
    "See also",
}


@dataclass(frozen=True)
class Sentence:
    """A sentence of a page: its text as shown, its first line, and the heading above it."""

    page: Path
    line: int
    heading: str
    kind: str
    text: str
    markdown: str


def shown(markdown: str) -> str:
    """Return Markdown as the reader sees it, with its line breaks."""
    linked = LINK.sub(lambda link: "" if link[1] else link[2], markdown)
    kept = [code[2] or code[3] for code in CODE.finditer(linked)]
    bare = MARKUP.sub(lambda found: found[2] or "", CODE.sub("\0", linked))
    texts = [html.unescape(text) for text in bare.split("\0")]
    return "".join(itertools.chain(*itertools.zip_longest(texts, kept, fillvalue="")))


def plain(text: str) -> str:
    """Return text as it is compared: without markup, on one line."""
    return " ".join(shown(text).split())


def parted(text: str) -> list[str]:
    """Return the sentences of a paragraph, each with the space that follows it."""
    ends = [0, *(found.end() for found in END.finditer(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(ends)]


def prose_lines(page: Path) -> Iterator[tuple[int, str]]:
    """Return the numbered lines of a page that stand in no fence and no front matter."""
    yield from prose_lines_of(str(page), page.read_text())


@functools.cache
def prose_lines_of(page: str, text: str) -> list[tuple[int, str]]:
    """Return those lines of the text of a page: a session asks hundreds of times."""
    for region in fences(Document(text, page)):
        blank = re.sub(r"[^\n]", " ", text[region.start : region.end])
        text = text[: region.start] + blank + text[region.end :]
    matter = re.match(r"---\n.*?\n---\n", text, re.DOTALL)
    skipped = matter[0].count("\n") if matter else 0
    return list(enumerate(text.splitlines(), start=1))[skipped:]


def units(page: Path) -> Iterator[tuple[int, str, str]]:
    """Return what a page is made of: its first line, its kind, its Markdown."""
    text: list[str] = []
    first, skipping = 0, False
    lines = [*prose_lines(page), (0, "")]
    for (number, line), (_, below) in zip(lines, [*lines[1:], (0, "")], strict=True):
        item, row, heading, title = (each.match(line) for each in (ITEM, ROW, HEADING, TITLE))
        begins = bool(item or row or heading or title or TAB.match(line)) or not line.strip()
        if text and begins:
            yield first, "text", "\n".join(text)
            text = []
        skipping = bool(SKIPPED.match(line)) or (skipping and line.startswith(" "))
        yield from ((number, "alternative", one or other) for one, other in ALT.findall(line))
        if heading:
            yield number, "heading", heading[2]
        elif title:
            yield from [(number, "title", title[1])] if title[1] else []
        elif row:
            cells = " | ".join(cell.strip() for cell in row[1].split("|"))
            kind = "label" if RULE.match(below) else "row"
            yield from [(number, kind, cells)] if not RULE.match(line) else []
        elif include := INCLUDE.fullmatch(line.strip()):
            picture = (SNIPPETS / include["path"]).read_text()
            yield from ((number, "alternative", found[2]) for found in SVG.finditer(picture))
        elif line.strip() and not (skipping or TAB.match(line)):
            first = number if not text else first
            text.append(line[item.end() :] if item else line)


def sentences(page: Path) -> list[Sentence]:
    """Return the sentences of a page, in order."""
    text = page.read_text()
    included = {SNIPPETS / include["path"] for include in INCLUDE.finditer(text)}
    ages = (str(file.stat().st_mtime_ns) for file in sorted(included) if file.exists())
    return [*sentences_of(page, "\n".join([text, *ages]))]


@functools.cache
def sentences_of(page: Path, _: str) -> list[Sentence]:
    """Return the sentences of a page, once for each state of it and of the files that it shows."""
    found: list[Sentence] = []
    heading = ""
    for line, made, markdown in units(page):
        heading = plain(markdown) if made == "heading" else heading
        kind = "label" if made == "heading" and heading in LABELS else made
        body = shown(markdown) if kind == "text" else plain(markdown)
        for part in parted(body) if kind == "text" else [body]:
            if text := " ".join(part.split()):
                lead = body[: body.find(part)] + part[: len(part) - len(part.lstrip())]
                start = line + lead.count("\n")
                found.append(Sentence(page, start, heading, kind, text, markdown))
    return found
