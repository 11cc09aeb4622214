"""Hold what leads somewhere: the navigation, numbered headings, tabs, links and pictures."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from tests.engine.pages import DOCS, ROOT, RefusedError
from tests.prove import claims, prose
from tests.prove.sentences import LINK, plain, prose_lines

HEADING = re.compile(r"(#+) (.+?)(?: \{[^{}]*\})?$")
COUNTED = re.compile(r"(?:Step )?(\d+)[.:] ")
TAB = re.compile(r'=== "(?P<name>[^"]+)"')
REFERENCE = re.compile(r"\[[^\]]+\]: (\S+)")
HOME = "index.md"  # what the navigation calls as it likes
NO_MATTER = {
    "the",
    "and",
    "for",
    "with",
    "how",
    "what",
    "that",
    "this",
    "page",
    "here",
    "documentation",
    "guide",
}
ROOTS = 4  # letters that two forms of a word share


def headings(page: Path) -> Iterator[tuple[int, int, str]]:
    """Return the headings of a page: line, level, text."""
    for line, text in prose_lines(page):
        if found := HEADING.match(text):
            yield line, len(found[1]), plain(found[2])


def title(page: Path) -> str:
    """Return the title of a page; nothing, where it has none."""
    return next((text for _, level, text in headings(page) if level == 1), "")


def titled(page: Path) -> list[RefusedError]:
    """Refuse a title in the navigation that isn't the page's own."""
    path, config = page.relative_to(DOCS).as_posix(), ROOT / "mkdocs.yml"
    own = title(page)
    lines = config.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        told = re.fullmatch(rf"\s*- (?P<title>.+): {re.escape(path)}", line)
        name = told and yaml.safe_load(told["title"])
        if told and path != HOME and name != own:
            cure = f"Write `- {path}`, so that the navigation takes the page's own title"
            reason = f"the navigation calls {path} {name!r}, and the page {own!r}"
            return [RefusedError(config, number, reason, cure)]
    return []


def counted(page: Path) -> list[RefusedError]:
    """Refuse numbered headings that don't count up from 1."""
    last: dict[int, int] = {}
    for line, level, text in headings(page):
        last = {above: number for above, number in last.items() if above <= level}
        if told := COUNTED.match(text):
            wanted = last.get(level, 0) + 1
            if int(told[1]) != wanted:
                reason = f"the heading {text!r} has the number {told[1]}"
                return [RefusedError(page, line, reason, f"Write {wanted}, or mend the order")]
            last[level] = wanted
    return []


def tabbed(page: Path) -> list[RefusedError]:
    """Refuse a tab with blocks of which none has each word of its name, in its text or path."""
    lines, found = page.read_text().splitlines(), list[RefusedError]()
    for start, line in enumerate(lines, start=1):
        if not (tab := TAB.fullmatch(line)):
            continue
        end = next(
            (n for n, text in enumerate(lines[start:], start) if text[:1].strip()), len(lines)
        )
        shown = [f"{b.path}\n{b.text}" for b in prose.blocks(page) if start < b.line <= end]
        words = set(re.findall(r"\w+", tab["name"].lower())) - {"and"}
        named = (set(re.findall(r"[a-z0-9]+", text.lower())) for text in shown)
        if shown and not any(words <= every for every in named):
            reason = f"the tab {tab['name']!r} shows no block that has its name"
            found.append(RefusedError(page, start, reason, "Show its own block, or rename it"))
    return found


def links(page: Path) -> Iterator[tuple[int, str, str, bool]]:
    """Return the links of a page: line, text, target, and whether it is a picture.

    A text may begin on the line above.
    """
    text = "\n".join(line for _, line in prose_lines(page))
    skipped = next((line for line, _ in prose_lines(page)), 1)
    for link in LINK.finditer(text):
        yield skipped + text[: link.start()].count("\n"), plain(link[2]), link[3], bool(link[1])


def without(line: str, target: str) -> str:
    """Return a line of Markdown without the target of a link."""
    return line.replace(f"]({target})", "]")


def roots(text: str) -> set[str]:
    """Return the words of a text, each without its ending."""
    parts = re.findall(r"[a-z]{3,}", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())
    return {part[: max(ROOTS, len(part) - 3)] for part in parts if part not in NO_MATTER}


def share(one: str, other: str) -> bool:
    """Tell whether two texts share a word, in whatever form."""
    pairs = ((a, b) for a in roots(one) for b in roots(other))
    return any(a.startswith(b) or b.startswith(a) for a, b in pairs)


@functools.cache
def goals(target: Path) -> dict[str, str]:
    """Return the headings of a page by their anchors; the title's is empty."""
    found = {"": title(target)}
    for _, _, text in headings(target):
        anchor = re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text.lower())).strip("-")
        found[anchor] = text
    return found


@functools.cache
def titles() -> dict[str, Path]:
    """Return the pages of the site by their titles."""
    return {goals(page)[""]: page for page in sorted(DOCS.rglob("*.md"))}


def named(line: str, text: str, target: str, goal: Path) -> str | None:
    """Return what a link on a line should name, where it names another thing or nothing."""
    url = urlsplit(target)
    known_as = goals(goal)
    anchor = known_as.get(url.fragment) if url.fragment else None
    if titles().get(text, goal) != goal:
        return known_as[""]
    if anchor and not share(line, f"{anchor} {url.fragment}"):
        return anchor
    names = f"{known_as['']} {anchor or ''} {url.fragment} {url.path}"
    return None if share(text, names) else anchor or known_as[""]


def led(page: Path) -> list[RefusedError]:
    """Refuse links that lead nowhere, to a page that they don't name, or to strangers."""
    found, lines, title = [], page.read_text().splitlines(), goals(page)[""]
    for line, text, target, picture in links(page):
        url = urlsplit(target)
        refuse = functools.partial(RefusedError, page, line)
        if url.scheme:
            known = claims.documents() | set(claims.WORDS["elsewhere"])
            if url.hostname not in known:
                cure = "Link to documentation, or list the host in snippets/data/sentences.toml"
                found.append(refuse(f"{url.hostname} is no host of documentation", cure))
            elif not share(text, f"{url.hostname} {unquote(url.path)} {url.fragment}"):
                cure = "Mend the link, or name in its text what it leads to"
                found.append(refuse(f"the link {text!r} does not name {target}", cure))
            elif url.fragment and not share(without(lines[line - 1], target) + title, url.fragment):
                cure = f"Name {url.fragment!r} beside it, or mend the link"
                found.append(refuse(f"nothing beside {text!r} names {target}", cure))
            continue
        goal = (page.parent / url.path).resolve() if url.path else page
        if not goal.exists():
            found.append(refuse(f"{text!r} leads to {target}, which isn't there", "Mend the link"))
        elif picture:
            continue
        elif goal.suffix == ".md" and (url.path or url.fragment):
            if other := named(without(lines[line - 1], target), text, target, goal):
                cure = f"Name it, {other!r}, or mend the link"
                found.append(refuse(f"the link {text!r} does not name {target}", cure))
    return found


def hold(page: Path) -> list[RefusedError]:
    """Return what speaks against the place of a page, its numbers and its tabs."""
    own = titled(page) if page.is_relative_to(DOCS) else []
    return [*own, *counted(page), *tabbed(page)]
