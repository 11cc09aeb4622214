"""Folders for what need not outlive the process."""

import os
import re
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  what is made in it is private
ROOM = 2**30
"""Bytes that the memory's file system must have free; a container's has 64 MiB."""


def temporary(name: str) -> Path:
    """Return a new folder, in memory if there is room and TMPDIR is not set.

    Those that a killed process left behind are removed.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    in_memory = roomy and os.access(MEMORY, os.W_OK) and "TMPDIR" not in os.environ
    parent = MEMORY if in_memory else Path(tempfile.gettempdir())
    for left in parent.glob("accounts-*"):
        maker = re.match(r"accounts-[a-z]+-(\d+)-", left.name)
        if (
            maker
            and not Path("/proc", maker[1]).exists()
            and Path("/proc/self").exists()
        ):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"accounts-{name}-{os.getpid()}-", dir=parent))
