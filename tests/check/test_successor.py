"""The site by a second generator: what it is told, and what is said of what it shows."""

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from tests.check.test_oracle import code_blocks, pages
from tests.engine.pages import ROOT
from tests.prove.test_configuration import options
from tests.publish.holds import RefusedError
from tests.successor import build
from tests.successor.hold import Page, differences, hold, of_ledger, of_page, of_site

PAGE = "concurrency/timeouts.md"
NAME = "mkdocs.yml"


def named(text: str) -> collections.Counter[str]:
    """Return the options of a configuration of the site."""
    return collections.Counter(option for option, _ in options(NAME, text))


def test_two_options_are_all_that_differs() -> None:
    text = (ROOT / NAME).read_text()
    before, after = named(text), named(build.derived(text))
    assert after - before == {"theme.name = materialx": 1, "plugins = search": 1}
    assert {option.partition(" = ")[0] for option in before - after} == {
        "theme.name",
        "plugins.search.separator",
    }


@pytest.mark.parametrize("gone", ["name: material\n", "search:\n"])
def test_a_configuration_without_them_is_refused(gone: str) -> None:
    text = (ROOT / NAME).read_text()
    with pytest.raises(RefusedError, match=r"mkdocs\.yml has no .*\. Mend build\.py"):
        build.derived(text.replace(gone, gone.replace(gone.split(":", maxsplit=1)[0], "other")))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the second generator, where nothing stands yet."""
    monkeypatch.setattr(build, "HOME", tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin/properdocs"


def test_an_environment_that_is_not_there_is_asked_for(program: Path) -> None:
    with pytest.raises(RefusedError, match="Run `make successor`"):
        build.build(program.parent)


def test_what_the_generator_warns_of_is_said(program: Path) -> None:
    program.write_text("#!/bin/sh\nawk '/materialx/ {print \"WARNING - It is \" $2}' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RefusedError, match=r"properdocs doesn't .*: WARNING - It is materialx$"):
        build.build(program.parent)


def test_each_block_and_each_claim_of_a_page_is_counted(
    site: Path, recorded: dict[str, Any]
) -> None:
    known = of_ledger(recorded, dict.fromkeys(pages(site), Page()))
    claims = {(c["page"], c["sentence"]) for c in recorded["claims"] if c["page"] in pages(site)}
    assert hold(known, known) == (len(recorded["blocks"]), len(claims))


def without_a_block(soup: BeautifulSoup) -> str:
    """Take the last block away."""
    blocks = code_blocks(soup)
    blocks[-1].decompose()
    return f"block {len(blocks)} is missing"


def with_another_block(soup: BeautifulSoup) -> str:
    """Change a word of the first block."""
    code_blocks(soup)[0].append("more")
    return "block 1 has another text"


def without_a_sentence(soup: BeautifulSoup) -> str:
    """Take the first paragraph away."""
    paragraph = soup.select("article > p")[0]
    paragraph.decompose()
    return "is missing"


def with_a_sentence(soup: BeautifulSoup) -> str:
    """Add a sentence to the first paragraph."""
    soup.select("article > p")[0].append(" More is said.")
    return "'More is said.' is new"


CHANGES = [without_a_block, with_another_block, without_a_sentence, with_a_sentence]


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_page_shows_otherwise_is_refused(
    site: Path, recorded: dict[str, Any], change: Callable[[BeautifulSoup], str]
) -> None:
    soup = pages(site)[PAGE]
    known = {PAGE: of_ledger(recorded, {PAGE: of_page(soup)})[PAGE]}
    altered = BeautifulSoup(str(soup), "html.parser")
    assert not [*differences(known, {PAGE: of_page(altered)})]
    told = change(altered)
    with pytest.raises(RefusedError) as refused:
        hold(known, {PAGE: of_page(altered)})
    assert str(refused.value).startswith(f"docs/{PAGE}: ")
    assert told in str(refused.value)


def test_a_site_without_one_of_the_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"^the site has no .*index\.html\. Mend"):
        of_site(tmp_path)


@pytest.mark.parametrize("known", [{}, {PAGE: Page(["0"], set())}, {PAGE: Page([], {"It is."})}])
def test_to_know_nothing_is_refused(known: dict[str, Page]) -> None:
    with pytest.raises(RefusedError, match="Run `make test`"):
        hold(known, known)
