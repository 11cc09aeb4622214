"""The pages as Markdown: the book, the index and one file beside each page."""

import hashlib
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sybil import Document

from tests.engine.pages import DOCS, fences
from tests.prove import contents, prose
from tests.publish import book
from tests.publish.holds import RefusedError

PATHS = [path for _, paths in contents.navigation() for path in paths]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the pages as Markdown."""
    site = tmp_path_factory.mktemp("site")
    (site / "index.html").touch()
    book.write(site)
    return site


def hashes(text: str) -> list[str]:
    """Return the hash of what each fence of Markdown holds, as the ledger has it."""
    found = list[str]()
    for one in fences(Document(text, "book")):
        fence = text[one.start : one.end]
        indent = " " * (len(fence) - len(fence.lstrip(" ")))  # in a tab
        shown = [line.removeprefix(indent) for line in fence.split("\n")[1:-1]]
        found.append(hashlib.sha256("\n".join(shown).rstrip("\n").encode()).hexdigest())
    return found


def links(path: str, move: book.Move) -> list[str]:
    """Return where the text of a page leads, once it was moved."""
    found = list[str]()

    def keep(text: str) -> str:
        found.extend(book.LINK.findall(move(text)))
        return text

    book.markdown(path, keep)
    return found


def test_each_block_of_the_book_is_in_the_ledger(written: Path, recorded: dict[str, Any]) -> None:
    proven = {block["sha256"] for block in recorded["blocks"]}
    told = hashes((written / "book.md").read_text())
    shown = {path: hashes((written / path).read_text()) for path in PATHS}
    assert told == [each for path in PATHS for each in shown[path]]
    assert set(told) <= proven
    assert len(told) == sum(len(prose.blocks(DOCS / path)) for path in PATHS)


def test_each_page_stands_beside_its_html(written: Path) -> None:
    assert sorted(PATHS) == sorted(str(page.relative_to(DOCS)) for page in prose.pages())
    for path in PATHS:
        said = (written / path).read_text()
        assert said.startswith("# "), path
        for link in links(path, str):
            assert (DOCS / path).parent.joinpath(link).exists(), (path, link)


def test_the_book_leads_to_its_pages(written: Path) -> None:
    text = (written / "book.md").read_text()
    assert text == (written / "llms-full.txt").read_text()
    for path in PATHS:
        for link in links(path, partial(book.rooted, path)):
            assert (DOCS / link).exists(), (path, link)


def test_the_index_lists_each_page(written: Path) -> None:
    text = (written / "llms.txt").read_text()
    assert text.startswith("# Python playbook\n\n> A playbook for teams that build")
    assert re.findall(r"^- \[.+\]\((.+)\)$", text, re.MULTILINE) == PATHS


def test_a_picture_is_told_in_words() -> None:
    told = book.markdown("decide/servers.md")
    assert "Picture: Calls that wait at once" in told
    assert "<svg" not in told


def test_a_folder_without_a_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"holds no site\. Build it first: make site"):
        book.write(tmp_path)
    assert not [*tmp_path.iterdir()]
