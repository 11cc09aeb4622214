"""The reference service where it stands alone."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.parts.service import BIN, CACHE, RUNNING, SERVICE, started


def shell(**changed: str) -> dict[str, str]:
    """Return the environment of a reader's shell: without what pytest and make left in ours."""
    ours = re.compile("PYTEST|PYTHONDONTWRITEBYTECODE|^(MAKE|MFLAGS|GNUMAKE)")
    kept = {name: value for name, value in os.environ.items() if not ours.search(name)}
    return kept | changed


def typed(copy: Path, line: str, **environment: str) -> tuple[int, str]:
    """Run a line in a folder as a reader types it; return its status and output.

    It may clean up when it is interrupted.
    """
    with (
        tempfile.TemporaryFile("w+") as output,
        started(
            ["sh", "-c", f"exec env {line}"],
            cwd=copy,
            env=shell(MYPY_CACHE_DIR=str(CACHE), **environment),
            stdout=output,
            stderr=output,
        ) as process,
    ):
        RUNNING.add(process)
        try:
            status = process.wait()
        finally:
            process.terminate()
            RUNNING.discard(process)
        output.seek(0)
        return status, output.read()


def make(copy: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run make on a copy, in the environment that is here already, as VENV says.

    One in the copy could not be read by the user of the database, whom pytest's folder shuts out.
    """
    there = {"VENV": str(BIN.parent), **environment}
    return typed(copy, shlex.join(["make", *arguments]), **there)


def copy_to(folder: Path) -> Path:
    """Copy what git tracks of the service, and nothing else, into a new folder; return it."""
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
    for name in filter(None, told.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SERVICE / name, folder / name)
    return folder
