"""What the tests need of the system, as the lists of packages say: the site's and the service's."""

import shutil
from pathlib import Path

from tests.engine.pages import ROOT

LISTS = [ROOT / ".ci/packages.txt", ROOT / "snippets/service/packages.txt"]


def listed(path: Path) -> list[list[str]]:
    """Return the lines of a list: programs that may stand in for one another, package, use."""
    return [line.split() for line in path.read_text().splitlines() if line[0] != "#"]


def missing(use: str) -> list[str]:
    """Return the packages that one use needs and this machine lacks."""
    lines = [line for path in LISTS for line in listed(path)]
    wanted = {package: names.split(",") for names, package, of in lines if of == use}
    return [name for name, programs in wanted.items() if not any(map(shutil.which, programs))]
