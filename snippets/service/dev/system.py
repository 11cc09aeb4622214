"""Programs of the system, and the packages that bring them."""

import os
import shutil
from pathlib import Path

LIST = Path(__file__).parents[1] / "packages.txt"
ADMIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
"""Folders of servers and runtimes, which the PATH of an ordinary user may lack."""


def find(program: str) -> str | None:
    """Return the path of a program, or none when this machine lacks it."""
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *ADMIN]))


def needs(use: str) -> dict[str, list[str]]:
    """Return the packages of one use, each with the programs of which one will do."""
    lines = [line.split() for line in LIST.read_text().splitlines() if line[0] != "#"]
    return {package: names.split(",") for names, package, of in lines if of == use}


def missing(use: str) -> list[str]:
    """Return the packages that a use needs and this machine lacks."""
    found = needs(use).items()
    return [package for package, programs in found if not any(map(find, programs))]
