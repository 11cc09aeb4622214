"""A copy of the commit, with environments of its own, gone afterwards however this ends."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fresh.locks import Lock, RefusedError, uv

# It ends with the process that holds the other end of its pipe, and takes the folder away.
WATCH = """\
import os, shutil, sys, time
os.read(0, 1)
for _ in range(30):  # what was started there may write for a while
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(1)
"""


@dataclass(frozen=True)
class Environment:
    """An environment: its place, its lock, and the folder that is installed into it, if any."""

    place: str
    lock: str
    editable: str = ""
    pip: bool = True  # some proofs call it


@dataclass(frozen=True)
class Project:
    """What is watched: a repository, its locks, and what proves that it holds."""

    root: Path
    locks: tuple[Lock, ...]
    environments: tuple[Environment, ...]
    update: tuple[str, ...]  # what pytest is told to rewrite outputs
    proofs: tuple[str, ...]  # what it is told to prove all
    rewriting: tuple[str, ...] = ("--update-examples",)
    pictures: str = ""  # tests that redraw what shows the site


@contextmanager
def copied(root: Path, prefix: str = "fresh-") -> Iterator[Path]:
    """Give a clone of the commit that is checked out."""
    base = Path(tempfile.mkdtemp(prefix=prefix))
    watch = subprocess.Popen(
        [sys.executable, "-c", WATCH, base], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        base.chmod(0o711)  # what runs as another user gets through
        (base / "tmp").mkdir()
        git(root, "clone", "--quiet", root, base / "copy")
        yield base / "copy"
    finally:
        shutil.rmtree(base, ignore_errors=True)
        if watch.stdin:
            watch.stdin.close()
        watch.wait()


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git in a folder; return what it printed."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RefusedError(f"git {arguments[0]} failed: {last}")
    return done.stdout


def reset(copy: Path) -> None:
    """Take back all that was written since the clone, but not what git ignores."""
    git(copy, "checkout", "--quiet", "--", ".")
    git(copy, "clean", "--quiet", "-d", "--force")


def install(copy: Path, environments: tuple[Environment, ...]) -> None:
    """Let each environment hold what its lock says, as the Makefiles do."""
    for each in environments:
        place = copy / each.place
        python = place / "bin/python"
        first = not python.exists()
        if first:
            without = [] if each.pip else ["--without-pip"]
            subprocess.run([sys.executable, "-m", "venv", *without, place], check=True)
        given = ["--quiet", "--require-hashes", "--python", str(python)]
        compiles = ["--compile-bytecode"] if first else []  # once: a step changes few packages
        uv(copy, "pip", "sync", *given, *compiles, each.lock)
        if each.editable:
            given = ["--quiet", "--no-deps", "--no-build-isolation", "--python", str(python)]
            uv(copy, "pip", "install", *given, "--editable", each.editable)
        (place / "ready").touch()  # for make, which else would build it anew


def shell(copy: Path) -> dict[str, str]:
    """Return the variables for what runs in the copy: without those that this process was told."""
    told = ("PYTEST_", "PLAYBOOK_", "GIT_", "MAKE", "MFLAGS", "GNUMAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "TMPDIR": str(copy.parent / "tmp")}
