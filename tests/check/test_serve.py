"""What `make serve` shows: the same site as a build, soon after a change is saved."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.speed.generate import generate

PAGE = "docs/generated/page0.md"
SNIPPET = "snippets/generated/page0/b0.py"
TEMPLATE = "docs/templates/main.html"
EDITS = {
    PAGE: ("## Block 0", "## Block nought"),
    SNIPPET: ("A balance", "A sum"),
    TEMPLATE: ("{% block after_content %}", "From the template{% block after_content %}"),
}
TWICE = """
import sys
from tests.check.test_serve import EDITS, edit
from tests.speed.serve import cli, remember

remember()
for path in (None, *EDITS):
    if path:
        edit(path)
    cli(["build", "--quiet", "--site-dir", sys.argv[1]], standalone_mode=False)
"""
ENVIRONMENT = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}


def edit(path: str, root: Path = Path()) -> None:
    """Save the change of a file."""
    file = root / path
    file.write_text(file.read_text().replace(*EDITS[path]))


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_memo_changes_no_byte(tmp_path: Path) -> None:
    generate(tmp_path / "copy", pages=2, blocks=10)
    for command in (
        [sys.executable, "-c", TWICE, tmp_path / "remembered"],
        ["mkdocs", "build", "--quiet", "--site-dir", tmp_path / "stock"],
    ):
        subprocess.run(command, cwd=tmp_path / "copy", env=ENVIRONMENT, check=True)
    remembered, stock = files(tmp_path / "remembered"), files(tmp_path / "stock")
    assert all(edited in str(stock) for edited in ("Block nought", "A sum", "From the template"))
    changed = [path for path in stock if stock[path] != remembered.get(path)]
    assert not changed and stock.keys() == remembered.keys(), changed


@contextmanager
def served(copy: Path, temporary: Path) -> Iterator[str]:
    """Serve a copy as `make serve` does, on a free port; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "tests.speed.serve", "--quiet", "--dev-addr", address]
    environment = {**ENVIRONMENT, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=copy, env=environment, start_new_session=True) as server:
        try:
            yield f"http://{address}/"
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def test_a_saved_change_is_visible_within_two_seconds(browser: Browser, tmp_path: Path) -> None:
    generate(tmp_path / "copy", pages=30, blocks=10)
    context = browser.new_context()
    page = context.new_page()
    with served(tmp_path / "copy", tmp_path) as address:
        ...
    context.close()
