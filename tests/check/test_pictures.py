"""The pictures of the site show it as it is. `make update` takes them."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, expect

from tests.check import pictures
from tests.engine.pages import DOCS, RefusedError

ASSETS = DOCS / "assets"
PAGE = "concurrency/timeouts"
BLOCK = "article .highlight"
CURE = "Run `make update` and look at the picture"


def hold(picture: Path, hashed: str) -> None:
    """Refuse a picture that shows something else than it should."""
    if pictures.shows(picture) != hashed:
        raise RefusedError(picture, 1, "the picture is older than what it shows", CURE)


@pytest.fixture
def hashed(site: Path) -> str:
    """The hash of the page's first block as it is built, and of what draws it."""
    soup = BeautifulSoup((site / PAGE / "index.html").read_text(), "html.parser")
    block = soup.select_one(BLOCK)
    assert block
    drawing = ("playbook.css", "blocks.css", "ledger.js", "blocks.js", "folds.js")
    return pictures.hash_of(str(block), *((ASSETS / name).read_text() for name in drawing))


def test_the_picture_of_a_block_is_not_old(
    request: pytest.FixtureRequest, address: str, hashed: str
) -> None:
    picture = ASSETS / "proof.png"
    if request.config.option.update_examples:
        browser: Browser = request.getfixturevalue("browser")
        with browser.new_context(device_scale_factor=2, color_scheme="light") as context:
            page = context.new_page()
            page.goto(f"{address}{PAGE}/")
            block = page.locator(BLOCK).first
            block.locator("details.proof.passed summary").click()
            expect(block.locator("dl")).to_be_visible()
            page.add_style_tag(content=".md-header { display: none }")
            png = block.screenshot(animations="disabled")
        pictures.write(picture, png, hashed)
    hold(picture, hashed)


def test_the_icon_is_not_older_than_the_logo(request: pytest.FixtureRequest) -> None:
    icon, logo = ASSETS / "icon.png", (ASSETS / "logo.svg").read_text()
    if request.config.option.update_examples:
        browser: Browser = request.getfixturevalue("browser")
        with browser.new_context(viewport={"width": 512, "height": 512}) as context:
            page = context.new_page()
            page.set_content(f"<style>body {{ margin: 0 }}</style>{logo}")
            pictures.write(icon, page.screenshot(), pictures.hash_of(logo))
    hold(icon, pictures.hash_of(logo))


def test_an_older_picture_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "proof.png"
    copy.write_bytes((ASSETS / "proof.png").read_bytes())
    now = pictures.shows(copy)
    hold(copy, now)
    pictures.write(copy, copy.read_bytes(), pictures.hash_of("something else"))
    with pytest.raises(RefusedError, match=r"proof.png:1: the picture is older .*make update"):
        hold(copy, now)
