"""Measure how soon `make serve` shows a saved change of a site with 30 pages of 10 blocks each.

Run it as `python -m tests.speed.reload`.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.parts.chromium import launched
from tests.parts.server import free_port
from tests.speed.generate import generate

PAGES, BLOCKS = 30, 10
LIMIT = 2.0  # seconds
HANG = 240_000  # milliseconds
EDITS = {
    "docs/generated/page0.md": ("## Read block b0", "## Read block nought"),
    "snippets/generated/page0/b0.py": ("A balance", "A running sum"),
    "docs/templates/main.html": ('{% include "partials/actions.html" %}', "From a template"),
}
ENVIRONMENT = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}


def edit(path: str, copy: Path = Path()) -> str:
    """Save a change of a file and return the text that it brings to page 0."""
    file, (old, new) = copy / path, EDITS[path]
    file.write_text(file.read_text().replace(old, new))
    return new.removeprefix("## ")


@contextmanager
def served(copy: Path) -> Iterator[str]:
    """Serve a copy as `make serve` does, on a free port; yield its address."""
    host, port = "127.0.0.1", free_port()
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
                    time.sleep(0.05)  # it is building, and tells nobody when it has
            yield f"http://{address}/"
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


def reloads(browser: Browser, copy: Path) -> dict[str, float]:
    """Return after how many seconds an open page shows each saved change."""
    took = {}
    with served(copy) as address, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(HANG)
        answer = page.goto(f"{address}generated/page0/")
        assert answer and answer.status == 200
        for path in EDITS:
            started = time.perf_counter()
            text = edit(path, copy)
            page.wait_for_function(
                "text => document.querySelector('article')?.textContent.includes(text)", arg=text
            )
            took[path] = time.perf_counter() - started
    return took


def main() -> int:
    """Print the figures; return 1 when a change takes longer than the limit, else 0."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        generate(copy, PAGES, BLOCKS)
        with launched(shutil.which("chromium")) as browser:
            took = reloads(browser, copy)
    for path, seconds in took.items():
        print(f"{path}: visible after {seconds:.2f} s of {LIMIT:g} s")
    return max(took.values()) > LIMIT


if __name__ == "__main__":
    sys.exit(main())
