"""The site as it is built, served and looked at."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.engine import ledger
from tests.engine.pages import ROOT
from tests.parts.chromium import launched
from tests.parts.system import missing

FORK = {"REPO_URL": "https://example.org/fork/playbook", "EDIT_URI": "edit/main/docs/"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what reads the ledger."""
    for item in items:
        if "recorded" in getattr(item, "fixturenames", ()):
            item.add_marker("recorded")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files, and the site's own page for those that are missing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send_error(self, code: int, *_: object) -> None:
        """Answer as a host of static sites does."""
        page = Path(self.directory, "404.html")
        body = page.read_bytes() if code == 404 and page.exists() else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on a free port of the loopback interface; yield its address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def build(target: Path, of: Path = ROOT, **environment: str) -> str:
    """Build the site of a copy and return what MkDocs said; what it warns of has its own test."""
    return subprocess.run(
        ["mkdocs", "build", "--site-dir", target],
        cwd=of,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stderr


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """The ledger that the first session wrote."""
    found = ledger.load()
    if not found["blocks"]:
        raise AssertionError("docs/ledger.json:1: no ledger. Run `pytest docs tests/prove`.")
    return found


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its address: the site stands under a version in it."""
    folder = tmp_path_factory.mktemp("host")
    with serving(folder) as address:
        yield folder, address


@pytest.fixture(scope="session")
def site(host: tuple[Path, str], recorded: dict[str, Any]) -> Path:
    """The site as a fork would build it, under the base path of a version."""
    folder, address = host
    said = build(folder / "1.0", ROOT, SITE_URL=f"{address}/1.0/", **FORK)
    (folder / "said").write_text(said)
    versions = [{"version": "1.0", "title": "1.0", "aliases": ["latest"]}]
    (folder / "versions.json").write_text(json.dumps(versions))
    return folder / "1.0"


@pytest.fixture(scope="session")
def address(host: tuple[Path, str], site: Path) -> str:
    """The address of the site, ending in a slash."""
    return f"{host[1]}/1.0/"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    if absent := missing("browser"):
        if os.environ.get("REQUIRE_BROWSER"):
            raise AssertionError(f"A browser is required here: install {absent[0]}.")
        pytest.skip(f"NO BROWSER TESTS: install {absent[0]} to run them")  # CI requires it
    expect.set_options(timeout=120_000)  # milliseconds: a hang, not a slow machine
    with launched(str(shutil.which("chromium"))) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new reader, for whom no script may fail."""
    errors: list[str] = []
    with browser.new_context() as context:
        tab = context.new_page()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        yield tab
    assert not errors, errors
