"""The reference service where it stands alone."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.engine.pages import ROOT

SERVICE = ROOT / "snippets/service"
BIN = ROOT / ".venv/service/bin"
CACHE = BIN.parent / "mypy_cache"  # of the packages' types; a copy's own come anew


@dataclass
class Make:
    """A command of the Makefile, at work."""

    process: "subprocess.Popen[bytes]"
    output: IO[str]

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it wrote."""
        status = self.process.wait()
        self.output.seek(0)
        return status, self.output.read()


@contextmanager
def make(copy: Path, *arguments: str, **environment: str) -> Iterator[Make]:
    """Run make on a copy's code with the packages installed here; let it clean up at the end."""
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
        try:
            yield Make(process, output)
        finally:
            process.terminate()


def copy_to(folder: Path) -> Path:
    """Copy what git tracks of the service, and nothing else, into a new folder; return it."""
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
    for name in filter(None, told.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SERVICE / name, folder / name)
    return folder
