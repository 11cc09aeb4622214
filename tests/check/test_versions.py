"""Two versions, deployed by mike into a clone: the selector, and the banner of the old one."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.check.conftest import serving
from tests.check.test_commands import commit, shrink
from tests.parts.copies import copied


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a host with versions 0.1 and 0.2; the second has no page on drawing."""
    base = tmp_path_factory.mktemp("versions")
    copy, host = base / "copy", base / "host"
    shrink(copied(copy))
    commit(copy, "Start")
    host.mkdir()
    with serving(host) as address:
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "SITE_URL": f"{address}/"}

        def deploy(version: str) -> None:
            command = ["mike", "deploy", "--update-aliases", version, "latest"]
            subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)

        deploy("0.1")
        (copy / "docs/drawing.md").unlink()
        config = copy / "mkdocs.yml"
        config.write_text(config.read_text().replace("      - drawing.md\n", ""))
        deploy("0.2")
        checkout = ["git", f"--work-tree={host}", "checkout", "--quiet", "gh-pages", "--", "."]
        subprocess.run(checkout, cwd=copy, check=True)
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new reader."""
    with browser.new_context() as context:
        yield context.new_page()


def test_the_selector_shows_both_versions(page: Page, published: str) -> None:
    page.goto(f"{published}/0.2/concurrency/timeouts/")
    expect(page.locator(".md-version__current")).to_contain_text("0.2")
    expect(page.locator(".md-version__link")).to_contain_text(["0.2", "0.1"])
    expect(page.locator("[data-md-component=outdated]")).to_be_hidden()


def test_the_old_version_leads_to_the_same_page_of_the_newest(page: Page, published: str) -> None:
    page.goto(f"{published}/0.1/concurrency/timeouts/")
    banner = page.locator("[data-md-component=outdated]")
    expect(banner).to_contain_text("This is an old version.")
    banner.get_by_role("link").click()
    expect(page).to_have_url(f"{published}/latest/concurrency/timeouts/")
    expect(page.locator("h1")).to_contain_text("timeout")
    expect(page.locator("[data-md-component=outdated]")).to_be_hidden()


def test_a_page_that_is_gone_leads_to_the_newest_home(page: Page, published: str) -> None:
    page.goto(f"{published}/0.1/drawing/")
    link = page.locator("[data-md-component=outdated]").get_by_role("link")
    expect(link).to_have_attribute("href", "../../latest/")
    link.click()
    expect(page.locator("h1")).to_contain_text("Proof")
