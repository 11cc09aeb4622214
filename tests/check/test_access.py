"""The site for each reader: by axe's rules, on a narrow screen, and with the keyboard alone.

One tab walks all pages by instant navigation: to load each anew would cost a second.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.engine.pages import DOCS
from tests.prove import prose

pytestmark = pytest.mark.walk
PAGES = [str(page.relative_to(DOCS)) for page in prose.pages()]
WIDE, NARROW = ViewportSize(width=1280, height=720), ViewportSize(width=320, height=640)
MENU, OPENER = ".md-sidebar--primary", ".md-header label[for=__drawer]"


@pytest.fixture(scope="module")
def tab(browser: Browser, address: str) -> Iterator[Page]:
    """The tab that walks the pages."""
    with browser.new_context(viewport=WIDE) as context:
        context.add_init_script(AXE_SCRIPT)
        context.add_init_script(path=Path(__file__).with_name("access.js"))
        tab = context.new_page()
        tab.goto(address)
        tab.wait_for_load_state("networkidle")  # until the sitemap is there, no click is instant
        yield visit(tab, address, PAGES[0])


@pytest.fixture(scope="module", params=PAGES)
def source(request: pytest.FixtureRequest) -> str:
    """A page; by the scope, pytest runs all tests of one page before the next."""
    return str(request.param)


@pytest.fixture
def page(tab: Page, address: str, source: str) -> Page:
    """The tab, on a page as a reader finds it."""
    return visit(tab, address, source)


def visit(tab: Page, address: str, source: str) -> Page:
    """Go to a page, unless the tab is there, and undo what was done to it."""
    name = Path(source).with_suffix("")
    href = urljoin(address, f"{name.parent if name.name == 'index' else name}/")
    if tab.url.partition("#")[0] != href:
        tab.evaluate("href => leave(href)", href)
        tab.wait_for_function("arrived()")
    tab.evaluate("reset()")
    return tab


def resize(page: Page, screen: ViewportSize) -> None:
    """Give the tab a size, and Material the time to notice."""
    if page.viewport_size != screen:
        page.set_viewport_size(screen)
        page.evaluate("frames()")


def test_axe_finds_nothing(page: Page) -> None:
    resize(page, WIDE)
    proofs = page.locator("details.proof")
    if proofs.count():
        proofs.first.evaluate("proof => { proof.open = true; }")
    findings = page.evaluate("audit()")
    assert not findings, "\n".join(findings)


def test_a_narrow_screen_is_enough(page: Page) -> None:
    resize(page, NARROW)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


def test_the_keyboard_is_enough(page: Page) -> None:
    resize(page, NARROW)
    page.keyboard.press("Tab")
    expect(page.locator(".md-skip")).to_be_focused()
    assert page.evaluate("shows(document.activeElement)"), "the skip link is not seen"
    page.keyboard.press("Enter")
    page.locator(":target").wait_for()
    for _ in range(page.evaluate("want()") + 1):
        page.keyboard.press("Tab")
    assert page.evaluate("walked()") == {"missed": [], "unseen": [], "trapped": False}
    proof = page.locator("details.proof:visible")  # not one in a closed fold
    if proof.count():
        proof.first.locator("summary").press("Enter")
        expect(proof.first).to_have_attribute("open", "")


@pytest.fixture
def settled(tab: Page, address: str) -> Page:
    """The tab on one page, when Material has closed its menus: by a timer that is due before."""
    page = visit(tab, address, PAGES[0])
    page.evaluate("new Promise((due) => { setTimeout(due, 150); })")
    return page


@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_each_stop_before_the_article_shows(settled: Page, screen: ViewportSize) -> None:
    resize(settled, screen)
    without = settled.screenshot(type="jpeg", animations="disabled")
    for _ in range(100):
        settled.keyboard.press("Tab")
        if settled.evaluate("document.activeElement.closest('article') !== null"):
            return
        # What opens on focus takes a moment.
        changes = (
            settled.screenshot(type="jpeg", animations="disabled") != without for _ in range(5)
        )
        assert any(changes), settled.evaluate("document.activeElement.outerHTML")
    raise AssertionError("Tab does not come to the article")


def test_the_menu_of_a_narrow_screen_needs_no_mouse(settled: Page) -> None:
    resize(settled, NARROW)
    menu = settled.locator(MENU)
    expect(menu).not_to_be_in_viewport()
    settled.locator(OPENER).press("Enter")
    expect(menu).to_be_in_viewport()
    for _ in PAGES[0].split("/")[1:]:  # from the level of the chapter to the highest
        walk_menu(settled)
        menu.locator("label.md-nav__title:visible").press("Enter")
    assert "Home" in walk_menu(settled)


def walk_menu(page: Page) -> str:
    """Return what the Tab key comes by in the menu, each in sight."""
    page.locator(OPENER).focus()
    page.evaluate("stops.clear()")
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('article') !== null"):
            break
    stops = page.evaluate(f"stopsIn('{MENU}')")
    assert stops and all(seen for _, seen in stops), stops
    return "".join(text for text, _ in stops)
