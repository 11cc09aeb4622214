"""What `make serve` shows: the same site as a build, and each change when it is saved."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.check.test_commands import shrink
from tests.engine.pages import ROOT
from tests.speed.generate import generate
from tests.speed.reload import EDITS, ENVIRONMENT, reloads

BUILDS = """
import os, sys
from tests.speed.reload import EDITS, edit
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


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_the_memo_changes_no_byte(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    generate(copy, pages=1, blocks=2)
    shrink(copy)
    command = [sys.executable, "-c", BUILDS, f"{tmp_path}/remembered", f"{tmp_path}/stock"]
    subprocess.run(command, cwd=copy, env=ENVIRONMENT, check=True)
    remembered, stock = files(tmp_path / "remembered"), files(tmp_path / "stock")
    page = stock["generated/page0/index.html"].decode()
    assert "Read block nought" in page and "A running sum" in page and "From a template" in page
    assert remembered.keys() == stock.keys()
    assert [path for path in stock if stock[path] != remembered[path]] == []


def test_an_open_page_shows_what_is_saved(browser: Browser, tmp_path: Path) -> None:
    generate(tmp_path / "copy", pages=1, blocks=2)
    shrink(tmp_path / "copy")
    assert reloads(browser, tmp_path / "copy").keys() == EDITS.keys()


def test_an_address_that_is_taken_is_told_before_the_build() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = ["make", "serve", f"ADDRESS=127.0.0.1:{port}"]
        shell = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(command, cwd=ROOT, env=shell, capture_output=True, text=True)
    assert done.returncode == 2
    says = f"127.0.0.1:{port}: Address already in use. Take another: make serve ADDRESS=127.0.0.1:"
    assert done.stderr.splitlines()[0] == f"{says}{port + 1}"
