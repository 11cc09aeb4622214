"""Make a project of its own from the service: its files under another name, and git begun.

It comes to be in a hidden folder beside its place, and takes its place in one step. So there is a
whole project or none, whatever ends the work.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

from tests.engine.pages import ROOT
from tests.new.names import OLD, Name, WrongError
from tests.parts.service import BIN, SERVICE

VERSION = "0.1.0"  # of a project that begins
PACKAGING = re.compile(r"requirements.*\.txt")  # what names the distribution, not the package
MARK = re.compile(r"^.*--8<--.*\n", re.MULTILINE)  # of the sections that pages show
ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}


def made(name: Name, target: Path) -> None:
    """Make the project in a folder that is new or empty, or raise `WrongError`."""
    files = tracked()
    hold(target)
    with staged(target) as folder:
        for file in files:
            write(name, file, folder)
        lay_out(folder)
        begin(name, folder)
        hold(target)  # somebody may have put something there
        folder.rename(target)


def tracked() -> list[str]:
    """Return the files of the service that git tracks, so nothing else that lies there."""
    if not shutil.which("git"):
        raise WrongError("git isn't on PATH. Install it: the project begins with a commit")
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=SERVICE, env=ENVIRONMENT, capture_output=True, text=True
    )
    if not told.stdout:
        raise WrongError("the service isn't in a clone of the playbook. Clone it with git")
    return [file for file in told.stdout.split("\0") if file and (SERVICE / file).exists()]


def hold(target: Path) -> None:
    """Refuse a place that is taken or where nothing can be made."""
    if target.is_relative_to(ROOT):
        raise WrongError(f"{target} is in the playbook. Choose a folder beside it")
    if not target.parent.is_dir():
        raise WrongError(f"there is no folder {target.parent}. Make it first")
    if target.exists() and not target.is_dir():
        raise WrongError(f"{target} is a file. Choose a new folder")
    if target.is_dir() and any(target.iterdir()):
        raise WrongError(f"{target} isn't empty. Choose a new folder")
    if not os.access(target.parent, os.W_OK):
        raise WrongError(f"nothing can be written in {target.parent}. Choose another")


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a folder beside the target, which is removed unless it moves.

    SIGTERM ends the work as Ctrl-C does. What a killed run left beside the target is removed.
    """

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    for left in target.parent.glob(f".{target.name}.new-*"):
        maker = left.name.rpartition("new-")[2].partition("-")[0]
        if maker.isdigit() and not psutil.pid_exists(int(maker)):
            shutil.rmtree(left, ignore_errors=True)
    prefix = f".{target.name}.new-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        folder.chmod(0o777 & ~umask())  # as any new folder
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def umask() -> int:
    """Return the permissions that new files of this process don't get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(name: Name, file: str, folder: Path) -> None:
    """Write a file of the service under the new name, without the marks of sections."""
    source = SERVICE / file
    target = folder / file.replace(OLD, name.package)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    text = MARK.sub("", source.read_text())
    text = name.in_text(text, packaging=bool(PACKAGING.fullmatch(file)))
    if file == "pyproject.toml":
        text = text.replace(f'\nname = "{name.package}"\n', f'\nname = "{name.distribution}"\n', 1)
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{VERSION}"', text, count=1)
    target.write_text(text)


def lay_out(folder: Path) -> None:
    """Sort imports and break lines as the new name wants it, by the project's own rules."""
    ruff = [BIN / "ruff"]
    for command in (["check", "--quiet", "--select=I", "--fix"], ["format", "--quiet"]):
        run([*ruff, *command, "--no-cache", "."], folder)
    run([*ruff, "check", "--quiet", "--no-cache", "."], folder)


def begin(name: Name, folder: Path) -> None:
    """Begin the project's history with all that it has."""
    run(["git", "init", "--quiet", "--initial-branch=main"], folder)
    run(["git", "add", "--all"], folder)
    run(["git", "commit", "--quiet", f"--message=Begin {name.distribution}"], folder)


def run(command: list[str | Path], folder: Path) -> None:
    """Run a program in the folder; raise `WrongError` with what it says when it fails."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = process.communicate()[0]
        finally:
            process.terminate()
    if process.returncode:
        line = " ".join(map(str, command[1:3]))
        raise WrongError(f"{Path(command[0]).name} {line} failed: {' '.join(said.split())[:400]}")
