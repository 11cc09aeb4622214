"""What the parts take, and give back."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dev import folders, postgres
from dev.folders import OWNERS, temporary
from dev.keeper import kept
from dev.ports import OUTGOING, free_port, wait_for_port
from dev.postgres import Postgres
from dev.processes import migrate
from tests.conftest import database


@pytest.fixture
def parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The two places for temporary folders."""
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    monkeypatch.setattr(folders, "MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    for parent in (memory, disk):
        parent.mkdir()
    return [memory, disk]


def inside(parents: list[Path]) -> set[Path]:
    """Return what the places hold."""
    return {path for parent in parents for path in parent.iterdir()}


# --8<-- [start:left]
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("kind", ["postgres", "images", "metrics"])
def test_what_a_killed_process_left_is_removed(
    parents: list[Path], owner: str, kind: str
) -> None:
    with subprocess.Popen("true") as ended:
        pass
    running = {parent / f"{owner}-{kind}-{os.getpid()}-x" for parent in parents}
    left = {parent / f"{owner}-{kind}-{ended.pid}-x" for parent in parents}
    for folder in running | left:
        (folder / "data").mkdir(parents=True)
    with temporary("valkey") as folder:
        assert inside(parents) == {*running, folder}
    assert inside(parents) == running


# --8<-- [end:left]


def test_a_database_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "plenty")
    said = 'invalid value for parameter "shared_buffers": "plenty"'
    with pytest.raises(RuntimeError, match=said), postgres.running():
        pass


def test_an_interrupt_leaves_no_folder(
    parents: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def make_and_interrupt(path: Path, mode: int) -> None:
        make(path, mode)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", make_and_interrupt)
    with pytest.raises(KeyboardInterrupt), temporary("valkey"):
        pass
    assert inside(parents) == set()


def test_a_port_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_port(), free_port()
    numbers = iter([taken, free])
    monkeypatch.setattr("dev.ports.LOWEST", 0)
    monkeypatch.setattr("secrets.randbelow", lambda _: next(numbers))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == free


def test_a_port_is_not_one_of_outgoing_connections() -> None:
    told = OUTGOING.read_text() if OUTGOING.exists() else "49152"  # IANA's
    first = int(told.split()[0])
    assert first < 20_000 or max(free_port() for _ in range(50)) < first


def test_nobody_waits_for_a_program_that_ended() -> None:
    with kept(["false"]) as program:
        assert program.wait(10) == 1
        with pytest.raises(RuntimeError, match="nobody listens"):
            wait_for_port(free_port(), program)


# --8<-- [start:isolation]
def test_a_database_of_its_own_costs_a_fraction_of_its_migrations(
    server: Postgres, record_property: Callable[[str, object], None]
) -> None:
    def seconds(make: Callable[[], None]) -> float:
        started = time.perf_counter()
        make()
        return time.perf_counter() - started

    def copy() -> None:
        with database(server):
            pass

    def migrate_anew() -> None:
        server.tell("CREATE DATABASE anew")
        migrate(server.url("anew"))
        server.tell("DROP DATABASE anew WITH (FORCE)")

    # One after the other: whatever else the machine does, both meet it.
    pairs = [(seconds(copy), seconds(migrate_anew)) for _ in range(3)]
    copied, migrated = (min(times) for times in zip(*pairs, strict=True))
    record_property("seconds of isolation", round(copied, 3))
    assert copied < migrated / 2


# --8<-- [end:isolation]


STARTS = """
import signal, time
time.sleep(0.5)
signal.signal(signal.SIGINT, lambda *_: exit())
time.sleep(60)
"""


def test_a_program_that_only_starts_is_ended_too() -> None:
    started = time.monotonic()
    with kept([sys.executable, "-c", STARTS], stop="INT"):
        pass
    assert time.monotonic() - started < 20
