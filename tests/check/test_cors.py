"""What a real browser makes of the apps on the page about proxies."""

import runpy

import pytest
from playwright.sync_api import Page

from tests.engine.pages import SNIPPETS
from tests.parts.server import serving

READ = """service => fetch(`${service}/me`, {credentials: "include"})
    .then(answer => answer.json(), error => error.message)"""


@pytest.mark.parametrize(("name", "read"), [("named", "Failed to fetch"), ("every", "ann")])
def test_a_browser_lets_a_page_read_what_the_service_says(page: Page, name: str, read: str) -> None:
    app = runpy.run_path(str(SNIPPETS / f"deploy/proxies/{name}.py"))["app"]
    with serving(app) as service, serving(app) as other:  # two ports are two origins
        page.goto(f"{other.url}/docs-of-another")
        page.context.add_cookies([{"name": "session", "value": "1", "url": service.url}])
        assert page.evaluate(READ, service.url) == read
        assert page.evaluate(READ, other.url) == "ann"  # its own origin asks nobody
