"""What the search answers first, asked of the worker that a reader's browser runs."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tests.engine.pages import DOCS
from tests.prove import prose

QUERIES: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("queries.toml").read_text())
# Those that find their page first, and among the first three; none finds nothing.
FIRST, THREE = 50 / 60, 57 / 60
Places = dict[tuple[str, str], int | None]  # at which place a query finds its page, from 1
KEEP = """
const Stock = Worker;
globalThis.Worker = class extends Stock {
  constructor(...told) { super(...told); globalThis.searching = this; }
};
"""
ASK = """query => new Promise(done => {
  const told = ({ data: { type, data } }) => {
    if (type !== 3) return;
    searching.removeEventListener("message", told);
    done(data.items.map(([first]) => first.location));
  };
  searching.addEventListener("message", told);
  searching.postMessage({ type: 2, data: query });
})"""


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A reader's tab, whose search is ready."""
    with browser.new_context() as context:
        tab = context.new_page()
        tab.add_init_script(KEEP)
        tab.goto(address)
        tab.locator("input[data-md-component=search-query]").click()
        tab.locator(".md-search-result__meta", has_text="Type to start").wait_for()
        yield tab


def source(location: str) -> str:
    """Return the page that a result lies on."""
    path = urlsplit(location).path.strip("/")
    return f"{path}.md" if path else "index.md"


@pytest.fixture(scope="module")
def places(page: Page) -> Places:
    """At which place each query finds its page, from 1; None where it doesn't."""
    found: Places = {}
    for wanted, queries in QUERIES.items():
        for query in queries:
            pages = [source(location) for location in page.evaluate(ASK, query)]
            found[wanted, query] = pages.index(wanted) + 1 if wanted in pages else None
    return found


def test_each_page_of_a_chapter_is_asked_for() -> None:
    chapters = {str(page.relative_to(DOCS)) for page in prose.pages() if page.parent != DOCS}
    assert {page for page in chapters if page.startswith("concurrency/")} <= QUERIES.keys()
    assert sum(map(len, QUERIES.values())) >= 100


def test_readers_find_what_they_look_for(places: Places) -> None:
    missed = [
        f"{query!r}: {page} at {place}" for (page, query), place in places.items() if place != 1
    ]
    first = sum(place == 1 for place in places.values())
    three = sum(place is not None and place <= 3 for place in places.values())
    told = f"of {len(places)} first {first}, in three {three}; not first: {missed}"
    assert None not in places.values(), told
    assert first >= FIRST * len(places) and three >= THREE * len(places), told


def test_a_figure_is_found_as_a_word_is(page: Page) -> None:
    warned = list[str]()
    page.on("console", lambda message: warned.append(message.text))
    found = {digit: page.evaluate(ASK, digit) for digit in "0123456789"}
    assert all(found.values()), found
    assert not warned


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("add a page", "add page"),
        ("uvicorn --workers", "uvicorn workers"),
        ("--", ""),
    ],
)
def test_common_words_and_dashes_change_no_answer(page: Page, question: str, same: str) -> None:
    assert page.evaluate(ASK, question) == page.evaluate(ASK, same)


def test_a_question_of_common_words_alone_is_asked(page: Page) -> None:
    assert page.evaluate(ASK, "with")  # what begins with it, such as `with_for_update`


def unsaid(text: str) -> set[str]:
    """Return the words of a page's tags that stand nowhere else on it."""
    _, matter, rest = text.split("---\n", 2) if text.startswith("---\n") else ("", "", text)
    tags = yaml.safe_load(matter or "{}").get("tags", [])
    words = {word.lower() for tag in tags for word in str(tag).split()}
    return {word for word in words if word not in rest.lower()}


@pytest.mark.parametrize("source", prose.pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_a_tag_says_what_its_page_says(source: Path) -> None:
    assert not unsaid(source.read_text()), "say it on the page, or remove the tag"


def test_a_tag_that_its_page_does_not_say_is_found() -> None:
    page = "---\ntags:\n  - GIL\n  - job queue\n---\n\n# Store the job\n"
    assert unsaid(page) == {"gil", "queue"}
