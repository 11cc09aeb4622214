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

from tests.check.test_commands import shrink
from tests.speed.generate import generate

EDITS = {
    "docs/generated/page0.md": ("## Block 0", "## Block nought"),
    "snippets/generated/page0/b0.py": ("A balance", "A running sum"),
    "docs/templates/main.html": ('{% include "partials/actions.html" %}', "From a template"),
}
BUILDS = """
import os, sys
from tests.check.test_serve import EDITS, edit
from tests.speed.serve import cli, remember

def build(folder):
    cli(["build", "--quiet", "--site-dir", folder], standalone_mode=False)

if os.fork() == 0:
    remember()
    build(sys.argv[1])
    for path in EDITS:
        edit(path)
    build(sys.argv[1])
    os._exit(0)
os.wait()
build(sys.argv[2])
"""
ENVIRONMENT = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}


def edit(path: str, copy: Path = Path()) -> str:
    """Save a change of a file and return the text that it brings to page 0."""
    file, (old, new) = copy / path, EDITS[path]
    file.write_text(file.read_text().replace(old, new))
    return new.removeprefix("## ")


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@contextmanager
def served(copy: Path) -> Iterator[str]:
    """Serve a copy as `make serve` does, on a free port; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    address = f"{host}:{port}"
    command = [sys.executable, "-m", "tests.speed.serve", "--quiet", "--dev-addr", address]
    environment = {**ENVIRONMENT, "TMPDIR": str(copy.parent)}
    with subprocess.Popen(command, cwd=copy, env=environment, start_new_session=True) as server:
        try:
            while server.poll() is None:
                try:
                    socket.create_connection((host, port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)  # it is building
            yield f"http://{address}/"
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


def test_the_memo_changes_no_byte(tmp_path: Path) -> None:
    generate(tmp_path / "copy", pages=1, blocks=2)
    shrink(tmp_path / "copy")
    command = [sys.executable, "-c", BUILDS, f"{tmp_path}/remembered", f"{tmp_path}/stock"]
    subprocess.run(command, cwd=tmp_path / "copy", env=ENVIRONMENT, check=True)
    remembered, stock = files(tmp_path / "remembered"), files(tmp_path / "stock")
    page = stock["generated/page0/index.html"].decode()
    assert "Block nought" in page and "A running sum" in page and "From a template" in page
    assert remembered.keys() == stock.keys()
    assert [path for path in stock if stock[path] != remembered[path]] == []


@pytest.mark.timed
def test_a_saved_change_is_visible_within_two_seconds(browser: Browser, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    generate(copy, pages=30, blocks=10)
    shrink(copy)
    took = {}
    with served(copy) as address, browser.new_context() as context:
        page = context.new_page()
        answer = page.goto(f"{address}generated/page0/")
        assert answer and answer.status == 200
        for path in EDITS:
            started = time.perf_counter()
            text = edit(path, copy)
            page.wait_for_function(
                "text => document.querySelector('article')?.textContent.includes(text)", arg=text
            )
            took[path] = round(time.perf_counter() - started, 2)
    print(took)
    assert max(took.values()) < 2, took
