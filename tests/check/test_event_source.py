"""A page that reads a stream, in Chromium: what no test in Python can see."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.engine.pages import SNIPPETS
from tests.parts.server import commanded

SOURCE = (SNIPPETS / "concurrency/streaming/watch.py").read_text()
CLOSES = "    if (done === of) source.close();\n"
MOVED = """
window.moves = [];
addEventListener("DOMContentLoaded", () => {
  const moved = () => window.moves.push(document.getElementById("bar").value);
  new MutationObserver(moved).observe(document, {attributes: true, subtree: true});
});
"""


@pytest.fixture
def asked(page: Page) -> list[Request]:
    """What the page asks for the stream, as it is asked."""
    requests: list[Request] = []
    page.on("request", lambda r: requests.append(r) if r.url.endswith("/progress") else None)
    page.add_init_script(MOVED)
    return requests


def test_the_bar_moves_and_the_page_asks_once(
    page: Page, asked: list[Request], tmp_path: Path
) -> None:
    (tmp_path / "watch.py").write_text(SOURCE)
    with commanded(tmp_path, "watch:app") as (url, _):
        page.goto(url)
        expect(page.locator("#bar")).to_have_js_property("value", 3)
        page.wait_for_function("source.readyState === EventSource.CLOSED")
        assert page.evaluate("moves") == [1, 2, 3]
        assert len(asked) == 1


def test_without_the_close_the_page_asks_again(
    page: Page, asked: list[Request], tmp_path: Path
) -> None:
    assert CLOSES in SOURCE
    (tmp_path / "watch.py").write_text(SOURCE.replace(CLOSES, ""))
    with commanded(tmp_path, "watch:app") as (url, _):
        with page.expect_request(lambda _: len(asked) == 2, timeout=120_000):
            page.goto(url)
        assert page.evaluate("moves") == [1, 2, 3], "the job was done once before"
