"""Versions of the site, published into a remote: the selector, the banner, and what is refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.check.conftest import serving
from tests.check.test_commands import COMMANDS, commit, shrink
from tests.parts.copies import copied

HERE = "tests/check/test_versions.py::test_the_selector_shows_both_versions"
CHANGES = "\n## [{}]\n\n- Something changed for readers.\n"


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it printed."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def leave_out(copy: Path, page: str) -> None:
    """Remove a page and its entry in the navigation."""
    (copy / "docs" / page).unlink()
    config = copy / "mkdocs.yml"
    config.write_text(config.read_text().replace(f"      - {page}\n", ""))


def release(copy: Path, version: str) -> None:
    """Commit all with a changelog, tag it, push it, and prove it."""
    with (copy / "CHANGELOG.md").open("a") as changelog:
        changelog.write(CHANGES.format(version))
    commit(copy, f"Release {version}")
    git(copy, "tag", f"v{version}")
    git(copy, "push", "--quiet", "origin", "main", f"v{version}")
    command = [sys.executable, "-m", "pytest", "-q", "docs", "tests/prove"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def published(copy: Path, *arguments: str, command: str = "publish", site: str = "") -> str:
    """Publish as `make publish` does; return what was said, refusals too."""
    told = dict(zip(("version", "remote", "branch"), arguments, strict=False))
    words = [told["version"], told.get("remote", "origin"), told.get("branch", "gh-pages")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.publish", command, *words],
        cwd=copy,
        env={**os.environ, "SITE_URL": site},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.returncode == 0 or done.stderr.startswith("Nothing was changed: "), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a small copy of the project, with a remote of its own."""
    base = tmp_path_factory.mktemp("versions")
    copy, bare = base / "copy", base / "remote.git"
    shrink(copied(copy))
    listed = copy / COMMANDS
    listed.write_text(re.sub(r'"tests/.*"', f'"{HERE}"', listed.read_text()))
    (copy / ".venv").symlink_to(sys.prefix)
    leave_out(copy, "drawing.md")  # its blocks are proven by tests that this copy lacks
    (copy / "tests/prove/test_drawing.py").unlink()
    (copy / "snippets/drawing.py").unlink()
    commit(copy, "Start")
    git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(copy, "remote", "add", "origin", str(bare))
    return copy


@pytest.fixture(scope="module")
def address(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a host with versions 0.1 and 0.2; the second has one page less."""
    host = tmp_path_factory.mktemp("host")
    with serving(host) as address:
        release(copy, "0.1")
        assert published(copy, "0.1", site=f"{address}/") == "0.1 is published on gh-pages of origin.\n"
        leave_out(copy, "contributing.md")
        release(copy, "0.2")
        assert published(copy, "0.2", site=f"{address}/").startswith("0.2 is published")
        git(copy, "fetch", "--quiet", "origin", "gh-pages")
        git(copy, f"--work-tree={host}", "checkout", "--quiet", "FETCH_HEAD", "--", ".")
        git(copy, "reset", "--quiet")
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new reader."""
    with browser.new_context() as context:
        yield context.new_page()


def test_the_selector_shows_both_versions(page: Page, address: str) -> None:
    page.goto(f"{address}/0.2/concurrency/timeouts/")
    expect(page.locator(".md-version__current")).to_contain_text("0.2")
    expect(page.locator(".md-version__link")).to_contain_text(["0.2", "0.1"])
    expect(page.locator("[data-md-component=outdated]")).to_be_hidden()


def test_the_old_version_leads_to_the_same_page_of_the_newest(page: Page, address: str) -> None:
    page.goto(f"{address}/0.1/concurrency/timeouts/")
    banner = page.locator("[data-md-component=outdated]")
    expect(banner).to_contain_text("This is an old version.")
    banner.get_by_role("link").click()
    expect(page).to_have_url(f"{address}/latest/concurrency/timeouts/")
    expect(page.locator("h1")).to_contain_text("timeout")
    expect(page.locator("[data-md-component=outdated]")).to_be_hidden()


def test_a_page_that_is_gone_leads_to_the_newest_home(page: Page, address: str) -> None:
    page.goto(f"{address}/0.1/contributing/")
    link = page.locator("[data-md-component=outdated]").get_by_role("link")
    expect(link).to_have_attribute("href", "../../latest/")
    link.click()
    expect(page.locator("h1")).to_contain_text("Proof")
