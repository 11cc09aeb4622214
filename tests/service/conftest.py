"""The reference service where it stands alone."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.parts.service import BIN, CACHE, RUNNING, SERVICE


def make(copy: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run make on a copy's code with the packages installed here; return its status and output.

    It may clean up when it is interrupted.
    """
    outside = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    here = {"PYTHONPATH": f"{copy}/src:{copy}", "MYPY_CACHE_DIR": str(CACHE)}
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            ["make", "--no-print-directory", *arguments, f"BIN={BIN}", "READY="],
            cwd=copy,
            env=outside | here | environment,
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


def copy_to(folder: Path) -> Path:
    """Copy what git tracks of the service, and nothing else, into a new folder; return it."""
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
    for name in filter(None, told.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SERVICE / name, folder / name)
    return folder
