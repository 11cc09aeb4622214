"""Locks: what they hold, the newest one, and the one of a subset of the upgrades."""

import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packaging.version import Version

UV = str(Path(sys.executable).with_name("uv"))
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
COMPILE = ("--universal", "--python-version", "3.11", "--generate-hashes")
NAMED = ("--custom-compile-command", "make lock")
AWAY = re.compile(r"Failed to fetch|error sending request|Failed to download")
UNDATED = "missing an upload date"

Pins = dict[str, tuple[str, ...]]  # a package may have one version for each range of Pythons


class RefusedError(Exception):
    """What stands against an answer, and the status to end with."""

    status = 2


class AwayError(RefusedError):
    """The registry doesn't answer."""

    status = 3


class UnsolvedError(RefusedError):
    """No set of versions fits all that is asked for."""

    status = 4


class UndatedError(UnsolvedError):
    """None does, since the registry doesn't tell when a release was uploaded."""


@dataclass(frozen=True)
class Lock:
    """A lock, and what it is compiled from."""

    folder: str
    file: str
    sources: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where it stands in the project."""
        return str(Path(self.folder, self.file))


@dataclass(frozen=True)
class Upgrade:
    """A package with its version in the old lock, and in the new one; one of them may be empty."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old or 'none'} → {self.new or 'none'}"


def uv(folder: Path, *arguments: str) -> None:
    """Run uv in a folder, or say what stands against it."""
    for certificates in ({}, {"UV_SYSTEM_CERTS": "true"}):  # its own, then the system's
        done = subprocess.run(
            [UV, *arguments],
            cwd=folder,
            env={**os.environ, **certificates},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode == 0 or "certificate" not in done.stderr:
            break
    if done.returncode == 0:
        return
    _, unsolved, why = done.stderr.partition("No solution found when resolving dependencies")
    if unsolved:
        words = " ".join(re.sub(r"[^ -~\n]|cause:", " ", why.partition("\n\n")[0]).split())
        refused = UndatedError if UNDATED in done.stderr else UnsolvedError
        raise refused(f"the lock doesn't resolve: {hostless(words).strip(': .')}")
    if AWAY.search(done.stderr):
        raise AwayError("the registry doesn't answer")
    last = hostless((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    raise RefusedError(f"uv {arguments[0]} failed: {last.strip()}")


def hostless(text: str) -> str:
    """Return a text without addresses: one may hold a password."""
    return re.sub(r"\w+://\S+", "(an address)", text)


def compiled(home: Path, locks: Iterable[Lock], *options: str, limits: str = "") -> None:
    """Compile the locks in their order, within limits such as `name<=1.2`, one a line."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(limits)
        file.flush()
        within = ["--constraint", file.name] if limits else []
        for lock in locks:
            given = [*COMPILE, *NAMED, *options, *within, "--output-file", lock.file]
            uv(home / lock.folder, "pip", "compile", *given, *lock.sources)


def pins(home: Path, locks: Iterable[Lock]) -> Pins:
    """Return all versions that the locks hold, by package."""
    found = defaultdict[str, set[str]](set)
    for lock in locks:
        for name, version in PIN.findall((home / lock.path).read_text()):
            found[name].add(version)
    return {name: tuple(sorted(found[name], key=Version)) for name in sorted(found)}


def compared(
    old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> dict[str, Upgrade]:
    """Return each package that differs, by name; what one side lacks has no version there."""
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    both = {name: (old.get(name, ()), new.get(name, ())) for name in names}
    return {
        name: Upgrade(name, ", ".join(then), ", ".join(now)) for name, (then, now) in both.items()
    }


def renew(home: Path, locks: tuple[Lock, ...], before: datetime | None) -> None:
    """Compile the newest locks of what was released before a moment.

    What is locked and is younger stays: a cooldown takes nothing back.
    """
    old, held = pins(home, locks), dict[str, str]()
    limit = [f"--exclude-newer={before:%Y-%m-%dT%H:%M:%SZ}"] if before else []
    while True:
        free = [f"--exclude-newer-package={name}=9999-01-01T00:00:00Z" for name in held]
        limits = "".join(f"{name}<={version}\n" for name, version in held.items())
        compiled(home, locks, "--upgrade", *limit, *free, limits=limits)
        new = pins(home, locks)
        lower = {
            name: old[name][-1]
            for name in {*old} & {*new} - {*held}
            if before and Version(new[name][-1]) < Version(old[name][-1])
        }
        if not lower:
            break
        held |= lower
    if held:
        compiled(home, locks)  # again, so that they don't name the limits


def choose(
    home: Path, locks: tuple[Lock, ...], old: Pins, new: Pins, chosen: Iterable[str]
) -> None:
    """Compile the locks of a subset of the upgrades, from the old ones that stand there.

    The others stay, unless a chosen one needs more of them: then they go no further than the new
    lock does. What only the new lock has keeps its version.
    """
    wanted, limits = set(chosen), list[str]()
    for name in sorted({*old, *new}):
        if name in wanted and len(new.get(name, ())) == 1:
            limits.append(f"{name}=={new[name][0]}")
            continue
        known = sorted({*old.get(name, ()), *new.get(name, ())}, key=Version)
        lowest = known[0] if name in new else "0"
        limits.append(f"{name}>={lowest},<={known[-1]}")
    picked = [f"--upgrade-package={name}" for name in sorted(wanted & {*new})]
    compiled(home, locks, *picked, limits="\n".join(limits) + "\n")
