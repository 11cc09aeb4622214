"""Versions of the site, published into a remote: the selector, the banner, and what is refused."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.check.conftest import serving
from tests.check.repository import git, leave_out, prove, redirect, state
from tests.check.test_commands import commit, shrink
from tests.parts.copies import copied
from tests.prove import pythons
from tests.service.conftest import shell

OLD, NEW = "place.md", "concurrency/place.md"
HERE = (
    "jobs: {{test: {{strategy: {{matrix: {{python: ['{}']}}}}}}}}\n"  # the one Python that proves
)
CHANGES = "\n## [{}]\n\n- Something changed for readers.\n"


def move(copy: Path) -> None:
    """Move a page, and say so."""
    (copy / "docs" / OLD).rename(copy / "docs" / NEW)
    config = copy / "mkdocs.yml"
    config.write_text(config.read_text().replace(f"  - {OLD}\n", f"  - {NEW}\n"))
    redirect(copy, OLD, NEW)


def release(copy: Path, version: str) -> None:
    """Commit all with a changelog, tag it, push it, and prove it."""
    tag(copy, version)
    command = [sys.executable, "-m", "pytest", "-q", "docs/concurrency/timeouts.md"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def tag(copy: Path, version: str) -> None:
    """Commit all with a changelog, tag it, and push it."""
    with (copy / "CHANGELOG.md").open("a") as changelog:
        changelog.write(CHANGES.format(version))
    commit(copy, f"Release {version}")
    git(copy, "tag", f"v{version}")
    git(copy, "push", "--quiet", "origin", "main", f"v{version}")


def published(copy: Path, version: str, command: str = "publish", site: str = "") -> str:
    """Publish as `make publish` does; return what was said, refusals too."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.publish", command, version, "origin", "gh-pages"],
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
    (copy / ".venv").symlink_to(sys.prefix)
    (copy / "docs/place.md").write_text("# Place\n\nIt will move.\n")
    with (copy / "mkdocs.yml").open("a") as config:
        config.write(f"  - {OLD}\n")
    (copy / pythons.WORKFLOW).write_text(HERE.format(platform.python_version()[:4]))
    leave_out(copy, "drawing.md")  # no test proves its blocks in this copy
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
        assert (
            published(copy, "0.1", site=f"{address}/")
            == "0.1 is published on gh-pages of origin.\n"
        )
        leave_out(copy, "contributing.md")
        move(copy)
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


@pytest.mark.parametrize("version", ["0.2", "latest"])
def test_a_page_that_moved_is_found_at_its_old_address(
    page: Page, address: str, version: str
) -> None:
    page.goto(f"{address}/{version}/place/#place")
    expect(page).to_have_url(f"{address}/{version}/concurrency/place/#place")
    expect(page.locator("h1")).to_contain_text("Place")


def test_the_old_version_of_a_page_that_moved_leads_to_its_newest(page: Page, address: str) -> None:
    page.goto(f"{address}/0.1/place/")
    page.locator("[data-md-component=outdated]").get_by_role("link").click()
    expect(page).to_have_url(f"{address}/latest/concurrency/place/")


def test_a_search_stays_within_its_version(page: Page, address: str) -> None:
    page.goto(f"{address}/0.1/")
    page.locator("input[data-md-component=search-query]").click()
    page.keyboard.type("timeout")
    found = page.locator(".md-search-result__item a").first
    expect(found).to_have_attribute("href", re.compile(rf"^{address}/0\.1/"))


def test_the_host_leads_to_the_newest(page: Page, address: str) -> None:
    page.goto(address)
    expect(page).to_have_url(f"{address}/latest/")
    asked = f"link[rel=canonical][href='{address}/latest/concurrency/timeouts/']"
    page.goto(f"{address}/0.1/concurrency/timeouts/")
    expect(page.locator(asked)).to_have_count(1)


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("one", "'one' is no version"),
        ("01.2", "'01.2' is no version"),
        ("0.2", "0.2 is published already"),
        ("0.3", "origin has no v0.3"),
        ("0.1", "v0.1 of origin is"),
        ("dev", "the ledger tells of a run on"),
    ],
)
def test_what_is_not_a_release_is_refused(copy: Path, version: str, said: str) -> None:
    if version == "dev":
        git(copy, "commit", "--quiet", "--allow-empty", "-m", "Go on")
        git(copy, "push", "--quiet", "origin", "main")
    before = state(copy)
    assert said in published(copy, version)
    assert state(copy) == before
    if version == "dev":
        git(copy, "reset", "--quiet", "--hard", "HEAD~")
        git(copy, "push", "--quiet", "--force", "origin", "main")


@pytest.mark.usefixtures("address")
def test_a_change_that_is_not_committed_is_refused(copy: Path) -> None:
    page = copy / "docs/proof.md"
    page.write_text(page.read_text() + "\nMore.\n")
    before = state(copy)
    assert "docs/proof.md isn't committed" in published(copy, "0.2")
    assert state(copy) == before
    git(copy, "checkout", "--quiet", "docs")


@pytest.mark.usefixtures("address")
def test_a_redirect_that_leads_nowhere_is_refused(copy: Path) -> None:
    config, proven = copy / "mkdocs.yml", copy / "docs/ledger.json"
    config.write_text(config.read_text().replace(f"{OLD}: {NEW}", f"{OLD}: concurrency/plaice.md"))
    kept = proven.read_text()
    tag(copy, "0.5")
    prove(copy)
    before = state(copy)
    told = "Nothing was changed: mike deploy failed: WARNING -  Redirect target"
    assert published(copy, "0.5").startswith(f"{told} 'concurrency/plaice.md' does not exist!")
    assert state(copy) == before
    git(copy, "push", "--quiet", "origin", ":v0.5")
    git(copy, "tag", "--delete", "v0.5")
    git(copy, "reset", "--quiet", "--hard", "HEAD~")
    git(copy, "push", "--quiet", "--force", "origin", "main")
    proven.write_text(kept)


@pytest.mark.usefixtures("address")
def test_a_release_that_the_changelog_lacks_is_refused(copy: Path) -> None:
    git(copy, "tag", "v0.4")
    git(copy, "push", "--quiet", "origin", "v0.4")
    before = state(copy)
    assert "CHANGELOG.md says nothing of 0.4" in published(copy, "0.4")
    assert state(copy) == before


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("end", ["refused", "killed"])
def test_the_branch_is_as_before_where_the_push_does_not_end(copy: Path, end: str) -> None:
    """The remote refuses it, or the publisher is killed while the remote takes it."""
    hook = copy.parent / "remote.git/hooks/pre-receive"
    kill = "pkill -KILL -f tests.publish.publish.dev; sleep 1\n"  # until git notices it
    hook.write_text("#!/bin/sh\n" + (kill if end == "killed" else "") + "exit 1\n")
    hook.chmod(0o755)
    before = state(copy)
    command = [sys.executable, "-m", "tests.publish", "publish", "dev", "origin", "gh-pages"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    hook.unlink()
    assert done.returncode == (-9 if end == "killed" else 1), done.stderr
    assert end == "killed" or "Nothing was changed: git push failed" in done.stderr
    assert state(copy) == before


@pytest.mark.usefixtures("address")
def test_make_publishes_what_it_is_told(copy: Path) -> None:
    make = ["make", "--silent", "--assume-old=.venv/ready"]  # the environment is this one
    for target, said in ("publish", "origin has no v1.2"), ("retract", "1.2 isn't published"):
        command = [*make, target, "VERSION=1.2"]
        done = subprocess.run(command, cwd=copy, env=shell(), capture_output=True, text=True)
        assert f"Nothing was changed: {said}" in done.stderr


@pytest.mark.usefixtures("address")
def test_a_version_is_taken_down_and_the_one_before_is_the_newest(copy: Path) -> None:
    assert "0.9 isn't published. What is: 0.2, 0.1" in published(copy, "0.9", command="retract")
    assert "0.2 is taken down" in published(copy, "0.2", command="retract")
    git(copy, "fetch", "--quiet", "origin", "gh-pages")
    told = json.loads(git(copy, "show", "FETCH_HEAD:versions.json"))
    assert [(each["version"], each["aliases"]) for each in told] == [("0.1", ["latest"])]
    assert git(copy, "ls-tree", "--name-only", "FETCH_HEAD", "0.2") == ""
    assert "0.2 is published" in published(copy, "0.2")
