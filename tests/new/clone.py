"""A clone of the playbook beside which a test makes projects, and what a reader types there."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.parts.copies import copied
from tests.parts.service import BIN, CACHE
from tests.service.conftest import shell

ME = {"NAME": "Test", "EMAIL": "test@example.org"}
ENVIRONMENT = {
    **{f"GIT_{who}_{what}": told for who in ("AUTHOR", "COMMITTER") for what, told in ME.items()},
    "GIT_CONFIG_GLOBAL": os.devnull,  # no one's own settings
    "GIT_CONFIG_SYSTEM": os.devnull,
    "LC_ALL": "C",
    "MAKEFLAGS": "READY= SERVICE_READY=",  # the environments are there already
    "MYPY_CACHE_DIR": str(CACHE),
    "VENV": str(BIN.parent),
}


def inside(project: Path) -> dict[str, str]:
    """Return what else the environment says for a project that was installed."""
    told = project.with_name(f"{project.name}-told")
    return {"PYTHONPATH": f"{project}/src:{project}:{told}", "READY": ""}


@dataclass
class Place:
    """A folder that holds a clone of the playbook, and what comes of it."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Place":
        """Put a clone of the playbook as it stands into a folder, with its environment."""
        clone = copied(folder / "playbook")
        (clone / ".venv").symlink_to(sys.prefix)
        place = cls(folder)
        for line in ("git init --quiet", "git add snippets"):
            assert place.ended(*line.split(), cwd=clone).returncode == 0
        return place

    def environment(self, **changed: str) -> dict[str, str]:
        """Return the environment of a reader's shell."""
        return shell(**{**ENVIRONMENT, **changed})

    def ended(
        self, *command: str | Path, cwd: Path | None = None, **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, or where it is told; return how it ended."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment(**changed),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def make(self, name: str, to: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run `make new` in the clone."""
        command = ["make", "--silent", "new", f"NAME={name}", f"TO={to}"]
        return self.ended(*command, cwd=self.folder / "playbook", **changed)

    def install(self, project: Path) -> dict[str, str]:
        """Make a project importable in the service's environment, which stays as it is.

        Return the environment in which that is so. Its metadata stand beside it, and its programs
        where a reader finds them.
        """
        told = self.folder / f"{project.name}-told"  # as `inside` says
        options = ["--no-deps", "--no-build-isolation", "--offline", "--quiet"]
        done = self.ended(
            BIN / "uv",
            "pip",
            "install",
            *options,
            f"--python={BIN}/python",
            f"--target={told}",
            ".",
            cwd=project,
        )
        assert done.returncode == 0, done.stdout
        for package in told.glob("*/__init__.py"):
            package.parent.rename(told / ".built")  # its code is that of the project
        programs = project / ".venv/bin"
        programs.parent.mkdir()
        programs.symlink_to(BIN)
        return inside(project)
