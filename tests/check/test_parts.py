"""A reader with an empty folder, a page's packages, and the variables of `make parts`."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engine import needs
from tests.engine.pages import DOCS, ROOT
from tests.parts import service
from tests.prove import prose

READY = ".venv/ready"  # it stands
PAGES = ["sessions", "fanout", "background", "clients"]
INSTALL = re.compile(r"^Install (.+?)(?:, and export|, run|[.;])", re.MULTILINE)
LIBRARY = re.compile(r"from snippets\.")  # of the pictures, which a reader doesn't draw
Variables = dict[str, str]


@pytest.fixture(scope="module")
def exported() -> Iterator[Variables]:
    """What `make parts` prints; afterwards Ctrl-C ends it and all that it started."""
    command = ["make", "--no-print-directory", "-o", READY, "parts"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        told = [re.fullmatch(r"export (\w+)=(\S+)\n", line) for line in lines]
        variables = {found[1]: found[2] for found in told if found}
        yield variables
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == ""  # which ends once the last of them has ended
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    for address in variables.values():
        where = urlsplit(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(where.hostname), where.port or 0)).close()


def installed(folder: Path, page: Path) -> Path:
    """Make an environment with what a page tells to install, at the locked versions."""
    named = {
        name for told in INSTALL.findall(page.read_text()) for name in re.findall("`(.+?)`", told)
    }
    uv = [f"{sys.prefix}/bin/uv"]
    python = folder / "venv/bin/python"
    subprocess.run([*uv, "venv", "--quiet", f"--python={sys.executable}", "venv"], cwd=folder)
    pinned = re.findall(r"^[\w.-]+==[^ ]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    (folder / "pinned.txt").write_text("\n".join(pinned))
    command = [*uv, "pip", "install", "--quiet", f"--python={python}", "--constraint=pinned.txt"]
    done = subprocess.run([*command, *sorted(named)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.parametrize("name", PAGES)
def test_a_reader_follows_a_page_from_an_empty_folder(
    name: str, exported: Variables, tmp_path: Path
) -> None:
    page = DOCS / f"concurrency/{name}.md"
    python, ran = installed(tmp_path, page), 0
    room = tmp_path / "room"
    room.mkdir()
    for block in prose.blocks(page):
        source = block.file.read_text()
        if block.language != "python" or block.of_service or LIBRARY.search(source):
            continue
        (room / block.file.name).write_text(source)
        wanted = {v: exported[v] for v in needs.variables(source)}
        for _ in range(2):
            done = subprocess.run(
                [python, "-I", "-W", "error::SyntaxWarning", block.file.name],
                cwd=room,
                env={"PATH": os.environ["PATH"], **wanted},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{block.path}: {done.stderr}"
            shown = re.findall(r"^ *#> (.*)", source, re.MULTILINE)
            assert done.stdout.splitlines() == shown, block.path
        ran += bool(wanted)
    assert ran, "no block of the page needs a part"


def test_nothing_is_forked_while_a_thread_starts_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is forked in that moment keeps the pipe over which the start is told."""
    begun, forked, steps = threading.Event(), threading.Event(), list[str]()

    def start(*_: object, **__: object) -> None:
        begun.set()
        forked.wait(0.3)  # a fork that isn't held up comes at once
        steps.append("started")

    def fork() -> None:
        begun.wait()
        child = os.fork()
        if child == 0:
            os._exit(len(steps))
        forked.set()
        steps.append(f"forked after {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")

    monkeypatch.setattr(subprocess, "Popen", start)
    threads = [threading.Thread(target=fork), threading.Thread(target=service.started, args=[[]])]
    with warnings.catch_warnings(action="ignore"):  # of a fork beside threads, from 3.12 on
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert steps == ["started", "forked after 1"]


def test_a_line_that_the_named_tests_leave_out_is_found() -> None:
    name = "src/accounts/api/errors.py"
    text = (service.SERVICE / name).read_text().splitlines()
    code = {n for n, line in enumerate(text, 1) if line.strip().startswith(("raise", "log."))}
    lines = {service.SERVICE / name: frozenset(code)}
    told = service.Told({}, {name: {"the first": [min(code)], "the last": [max(code)]}})
    assert len(code) == 2 and not service.left_out(told, lines)
    del told.lines[name]["the last"]
    assert service.left_out(told, lines) and not service.left_out(told, {})
