"""The lists of chapters and pages, on the home page and in the README, from the navigation.

The update run writes them, so that nobody else has to. A chapter is a section of the navigation
whose folder `snippets/data/chapters.toml` names.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.engine.pages import DOCS, ROOT, RefusedError
from tests.prove import account, claims, places

README, HOME = ROOT / "README.md", DOCS / "index.md"
CONFIG = ROOT / "mkdocs.yml"
CHAPTERS = account.CHAPTERS


@dataclass(frozen=True)
class Chapter:
    """A chapter of the navigation: its folder, its title, and its pages by path and title."""

    folder: str
    title: str
    pages: tuple[tuple[str, str], ...]

    @property
    def link(self) -> str:
        """A link to its first page."""
        return f"[{self.title}]({self.pages[0][0]})"


def navigation() -> list[tuple[str, list[str]]]:
    """Return the navigation: the title of each section, and its pages, in reading order."""
    nav = yaml.safe_load(CONFIG.read_text().partition("\nnav:\n")[2])
    found = []
    for entry in nav:
        title, told = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        inner = told if isinstance(told, list) else [told]
        flat = [next(iter(one.values())) if isinstance(one, dict) else one for one in inner]
        found.append((title, flat))
    return found


def title_of(path: str) -> str:
    """Return the title of a page; its path, where there is no such page."""
    page = DOCS / path
    return (places.title(page) if page.exists() else "") or path


def chapters() -> list[Chapter]:
    """Return the chapters that the navigation has, in its order."""
    return [
        Chapter(folder, title, tuple((path, title_of(path)) for path in paths))
        for title, paths in navigation()
        for folder in {path.partition("/")[0] for path in paths}
        if folder in CHAPTERS
    ]


def states() -> str:
    """Return which chapters are whole, which are begun, and which are to come, as a list."""
    here = chapters()
    whole = [one.link for one in here if CHAPTERS[one.folder].get("whole")]
    begun = [one.link for one in here if not CHAPTERS[one.folder].get("whole")]
    there = {one.folder for one in here}
    later = [told["title"] for folder, told in CHAPTERS.items() if folder not in there]
    rows = {"Written": whole, "Begun": begun, "To come": later}
    return "".join(f"- {state}: {', '.join(names)}\n" for state, names in rows.items() if names)


def listed() -> str:
    """Return the pages of each chapter, under a heading of its own."""
    return "\n".join(
        f"### {one.title}\n\n" + "".join(f"- [{title}]({path})\n" for path, title in one.pages)
        for one in chapters()
    )


def topics() -> str:
    """Return the chapters and their pages as one list, for the README."""
    lines = [
        f"- {one.link}\n" + "".join(f"    - [{title}]({path})\n" for path, title in one.pages)
        for one in chapters()
    ]
    return "".join(lines).replace("](", "](docs/")


WRITTEN = {  # what stands in which section
    (HOME, "What is here"): states,
    (HOME, "The pages"): listed,
    (README, "Topics"): topics,
    (claims.ACCOUNT, "Topics"): account.written,
}


def section(text: str, heading: str) -> re.Match[str] | None:
    """Return the text below a heading, as far as the next of its level."""
    return re.search(
        rf"^## {re.escape(heading)}\n\n(.*?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL
    )


def write() -> None:
    """Write the lists where their sections stand."""
    for (page, heading), made in WRITTEN.items():
        text = page.read_text() if page.exists() else ""
        if (found := section(text, heading)) and found[1] != made():
            page.write_text(text[: found.start(1)] + made() + text[found.end(1) :])


def hold(page: Path) -> list[RefusedError]:
    """Return the refusals of lists that are not those of the navigation."""
    refused = []
    for (where, heading), made in WRITTEN.items():
        text = page.read_text() if page == where else ""
        found = section(text, heading)
        if found and found[1] != made():
            line = text[: found.start(1)].count("\n") + 1
            reason = f"the list below {heading!r} isn't that of the navigation in mkdocs.yml"
            refused.append(RefusedError(page, line, reason, "Run `make update`, which writes it"))
    return refused
