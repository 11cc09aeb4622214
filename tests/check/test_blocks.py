"""A block as a reader sees it: a failing one isn't taken for a good one, and none is too long."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import Tag
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.check.test_oracle import pages
from tests.engine.pages import DOCS, SNIPPETS
from tests.prove import prose, twins

TIMEOUTS = "concurrency/timeouts/"
DONT = ".highlight:has(> .filename:has-text('blocked.py'))"
SEEN = "concurrency/timeouts/blocked.fails.out"
LINES, COLUMNS, IDEA = 26, 80, 0.6  # of lines, some 25
PYTHON = ".highlight.language-python"
SHOWN_LINES = """selector => [...document.querySelectorAll(selector)].map((block) => [
    block.querySelector(".filename .path").textContent,
    [...block.querySelectorAll("pre code > span[id]")]
        .flatMap((line, index) => line.matches(".folded") ? [] : [index + 1]),
])"""


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One reader, who may paste."""
    with browser.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A tab on a page with a do and a "don't", once its proofs are there."""
    tab = context.new_page()
    tab.goto(address + TIMEOUTS)
    expect(tab.locator("details.proof.waiting")).to_have_count(0)
    yield tab
    tab.close()


def copied(page: Page, block: str) -> str:
    """Copy a block by its button and return what would be pasted."""
    page.locator(block).locator("button:not(.fold)").first.click()
    expect(page.locator(".md-dialog")).to_contain_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_copied_dont_says_so_in_its_first_line(page: Page) -> None:
    source = (SNIPPETS / "concurrency/timeouts/blocked.py").read_text()
    seen = (SNIPPETS / SEEN).read_text()
    warned = f"# DON'T: fails as described: {seen}{source}"
    assert copied(page, DONT).rstrip() == warned.rstrip()
    good = ".highlight:has(> .filename:has-text('bounded.py'))"
    source = (SNIPPETS / "concurrency/timeouts/bounded.py").read_text()
    assert copied(page, good).rstrip() == source.rstrip()


def test_a_dont_selected_by_hand_says_so_too(page: Page) -> None:
    page.locator(f"{DONT} pre code").evaluate("code => getSelection().selectAllChildren(code)")
    page.keyboard.press("Control+c")
    pasted = page.evaluate("navigator.clipboard.readText()")
    assert pasted.startswith("# DON'T: fails as described")
    assert "time.sleep(delay)" in pasted


def test_selecting_a_block_takes_its_code_alone(page: Page) -> None:
    block = page.locator(".highlight").first
    block.evaluate("block => getSelection().selectAllChildren(block)")
    taken = page.evaluate("getSelection().toString()")
    assert "asyncio.timeout(limit)" in taken
    assert "proof" not in taken and "Proven" not in taken


def test_a_dont_has_its_own_words_and_colour(page: Page) -> None:
    colour = "one => getComputedStyle(one).color"
    bad = page.locator(f"{DONT} details.proof summary")
    expect(bad).to_contain_text("Don't: fails as described on Python")
    good = page.locator("details.proof.passed:not(.dont) summary").first
    assert bad.evaluate(colour) != good.evaluate(colour)
    title = f"{DONT} > .filename"
    words = "one => getComputedStyle(one, '::before').content"
    assert page.locator(title).evaluate(words) == '"Don\'t"'
    tree = page.locator(DONT).aria_snapshot()
    assert "Don't" in tree


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_without_javascript_a_dont_is_marked_and_says_what_happens(
    browser: Browser, address: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    with browser.new_context(java_script_enabled=False, viewport=size) as context:  # type: ignore[arg-type]  # it is one
        page = context.new_page()
        page.goto(address + TIMEOUTS)
        block = page.locator(DONT)
        words = "one => getComputedStyle(one, '::before').content"
        assert block.locator("> .filename").evaluate(words) == '"Don\'t"'
        edge = "one => [getComputedStyle(one).borderLeftWidth, one.getBoundingClientRect().left]"
        border, left = block.evaluate(edge)
        assert float(border.removesuffix("px")) >= 3 and left >= 0
        below = page.locator(f"{DONT} + .highlight")
        expect(below).to_contain_text((SNIPPETS / SEEN).read_text().strip())
        assert "What you will see" in below.locator("> .filename").evaluate(words)


def test_dont_and_only_dont_is_marked_in_the_html(site: Path, recorded: dict[str, Any]) -> None:
    for page in sorted({block["page"] for block in recorded["blocks"]}):
        blocks: list[Tag] = list(pages(site)[page].select("article .highlight:has(> .filename)"))
        known = [block for block in recorded["blocks"] if block["page"] == page]
        marked = [bool(block.select(".hll")) for block in blocks]
        wanted = [block["kind"] == "dont" and block["language"] != "diff" for block in known]
        assert marked == wanted, page  # a patch marks its own lines


def test_blocks_are_short_and_show_the_idea(context: BrowserContext, address: str) -> None:
    tab, shown_all, idea_all = context.new_page(), 0, 0
    long, wide = set[str](), set[str]()
    for source in prose.pages():
        blocks = [block for block in prose.blocks(source) if block.language == "python"]
        if not blocks:
            continue
        tab.goto(f"{address}{source.relative_to(DOCS).with_suffix('')}/")
        for block, (path, numbers) in zip(blocks, tab.evaluate(SHOWN_LINES, PYTHON), strict=True):
            assert path == block.path
            if path.startswith("contributing/tests"):
                continue
            lines = block.text.splitlines()
            in_file = sorted(block.lines)  # a section's lines aren't numbered as its file's
            written = {in_file[n - 1] for n in numbers if lines[n - 1].strip()}
            long |= {path} if len(numbers) > LINES else set()
            most = COLUMNS if not block.of_service else 88  # the service's own layout
            wide |= {path} if any(len(line) > most for line in lines) else set()
            shown_all += len(written)
            idea_all += len(written & twins.idea(block.file))
    tab.close()
    assert not long, f"more than {LINES} lines show: {sorted(long)}"
    assert not wide, f"wider than {COLUMNS} columns: {sorted(wide)}"
    assert idea_all / shown_all >= IDEA, f"{idea_all} of {shown_all} lines"


def test_nothing_that_a_reader_copies_is_wider_than_its_column() -> None:
    """Python is counted above, an output is wrapped, and what is left is data or quotes a file."""
    told = {"toml", "yaml", "sh", "ini", "sql"}
    blocks = [one for page in prose.pages() for one in prose.blocks(page) if one.language in told]
    wide = [
        one.path
        for one in blocks
        if max(map(len, one.text.splitlines())) > (88 if one.of_service else COLUMNS)
    ]
    assert blocks and not wide


def test_a_fold_opens_and_the_whole_file_is_compared(page: Page) -> None:
    block = page.locator(".highlight").first
    fold = block.get_by_role("button", name="what runs it")
    line = block.locator("pre code > span[id]", has_text="asyncio.run(main())")
    expect(line).to_be_hidden()
    fold.press("Enter")
    expect(line).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(block.locator("details.proof.passed")).to_be_visible()
