"""Which Pythons this machine has: the newest of each minor version that the project may run on."""

import json
import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.fresh.locks import UV, RefusedError
from tests.prove import pythons

LIST = ("python", "list", "--offline", "--only-installed", "--output-format=json")

MANAGERS = (".pyenv", ".asdf", ".local/share/mise")


@dataclass(frozen=True)
class Python:
    """An interpreter."""

    version: str
    path: str

    @property
    def minor(self) -> str:
        """Its minor version, such as 3.12."""
        return pythons.minor(self.version)


def places() -> list[str]:
    """Return the folders to look in: the PATH, with what its shims hide in the place of them."""
    path = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    homes = [place.parent for place in path if place.name == "shims"]
    homes += [Path.home() / name for name in MANAGERS]
    hidden = [
        folder
        for home in dict.fromkeys(homes)
        for kept in ("versions/*/bin", "installs/python/*/bin")
        for folder in sorted(home.glob(kept))
    ]
    return [*map(str, hidden), *(str(place) for place in path if place.name != "shims")]


def installed(root: Path) -> dict[str, Python]:
    """Return the Pythons that `requires-python` allows, by minor version, from the floor up."""
    path = os.pathsep.join(places())
    done = subprocess.run(
        [UV, *LIST], cwd=root, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RefusedError(f"uv python list failed: {last}")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    found = dict[str, Python]()
    for told in json.loads(done.stdout):
        one = Python(told["version"], told["path"])
        plain = told["implementation"] == "cpython" and told["variant"] == "default"
        virtual = Path(one.path).parent.with_name("pyvenv.cfg").exists()
        if plain and not virtual and allowed.contains(one.version, prereleases=False):
            if Version(one.version) > Version(getattr(found.get(one.minor), "version", "0")):
                found[one.minor] = one
    return dict(sorted(found.items(), key=lambda item: Version(item[0])))
