"""Folders for what need not outlive the process."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  what is made in it is private
DISK = Path("/var/tmp")  # noqa: S108  so too
OWNERS = ["accounts", "svc"]
"""What names of folders begin with; the second is for where paths must be short."""
ROOM = 2**30
"""Bytes that the memory's file system must have free; a container's has 64 MiB."""


@contextmanager
def temporary(
    name: str, parent: Path | None = None, owner: str = OWNERS[0]
) -> Iterator[Path]:
    """Give a new folder: in another one, or in memory, or where TMPDIR says.

    Those that a killed process left behind are removed.
    """
    sweep()
    # The name is known before the folder is there: an interrupt between leaves none.
    unique = f"{os.getpid()}-{secrets.token_hex(4)}"
    folder = (parent or place()) / f"{owner}-{name}-{unique}"
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place() -> Path:
    """Return where new folders go that need not be on a disk."""
    memory = "TMPDIR" not in os.environ and has_room(MEMORY)
    return MEMORY if memory else Path(tempfile.gettempdir())


def has_room(folder: Path, room: int = ROOM) -> bool:
    """Tell whether a folder can take so many bytes, or a database."""
    usable = folder.is_dir() and os.access(folder, os.W_OK)
    return usable and shutil.disk_usage(folder).free > room


def sweep() -> None:
    """Remove the folders whose makers are gone: these, and those of the metrics."""
    if not Path("/proc/self").exists():
        return  # nobody can tell who is gone
    for parent in {MEMORY, DISK, Path(tempfile.gettempdir())}:
        for left in parent.glob("*-*-*"):
            maker = re.match(rf"(?:{'|'.join(OWNERS)})-[a-z]+-(\d+)-", left.name)
            if maker and not Path("/proc", maker[1]).exists():
                shutil.rmtree(left, ignore_errors=True)
