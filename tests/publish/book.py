"""Write the pages for readers who want Markdown: beside each page, as an index, and as one book.

`make book` does so in the built site: `concurrency/timeouts.md` stands beside its page, `llms.txt`
lists the pages (https://llmstxt.org), `book.md` and `llms-full.txt` hold all of them.
"""

import functools
import posixpath
import re
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from sybil import Document

from tests.engine.pages import DOCS, INCLUDE, ROOT, SNIPPETS, fences, resolver
from tests.prove import contents
from tests.prove.sentences import SVG
from tests.publish.holds import RefusedError

MATTER = re.compile(r"\A---\n.*?\n---\n+", re.DOTALL)
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")
Move = Callable[[str], str]


def write(site: Path) -> list[Path]:
    """Write all of it into a built site; return the files."""
    if not (site / "index.html").exists():
        raise RefusedError(f"{site} holds no site. Build it first: make site")
    texts = {path: markdown(path) for _, paths in contents.navigation() for path in paths}
    book = "\n".join(markdown(path, functools.partial(rooted, path)) for path in texts)
    made = {**texts, "llms.txt": index(), "book.md": book, "llms-full.txt": book}
    for path, text in made.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    return [site / path for path in made]


def markdown(path: str, move: Move = str) -> str:
    """Return a page with each file in the place of its include; a picture is told in words.

    `move` is what becomes of the text between the blocks.
    """
    text = MATTER.sub("", (DOCS / path).read_text())
    parts, end = list[str](), 0
    for region in fences(Document(text, path)):
        opened, *inner, closed = text[region.start : region.end].splitlines()
        shown = "\n".join(resolver().run(inner)).rstrip("\n")
        parts += [move(pictured(text[end : region.start])), f"{opened}\n{shown}\n{closed}"]
        end = region.end
    return "".join([*parts, move(pictured(text[end:]))])


def pictured(text: str) -> str:
    """Return text with what the pictures say that it includes."""
    return re.sub(rf"^ *{INCLUDE.pattern}$", told, text, flags=re.MULTILINE)


def told(include: re.Match[str]) -> str:
    """Return the title and the description of a picture."""
    picture = (SNIPPETS / include["path"]).read_text()
    return f"Picture: {' '.join(text.strip() for _, text in SVG.findall(picture))}"


def rooted(path: str, text: str) -> str:
    """Return text of a page with links from the root of the site, as the book needs them."""
    place = functools.partial(posixpath.join, posixpath.dirname(path))
    return LINK.sub(lambda link: f"]({posixpath.normpath(place(link[1]))}", text)


def index() -> str:
    """Return the list of the pages, by the sections of the navigation."""
    head = yaml.safe_load((ROOT / "mkdocs.yml").read_text().partition("\nsite_url:")[0])
    lines = [f"# {head['site_name']}", "", f"> {head['site_description']}"]
    for section, paths in contents.navigation():
        listed = [f"- [{contents.title_of(path)}]({path})" for path in paths]
        lines += ["", f"## {section}", "", *listed]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    try:
        print(*write(Path(sys.argv[1]))[-2:-1])
    except RefusedError as refused:
        sys.exit(f"{refused}.")
