"""What a new project may be called, and the forms that its name takes."""

import builtins
import json
import keyword
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

from tests.parts.service import BIN, SERVICE

FORM = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
LONGEST = 24  # characters: the longest lines of the service have room for no more
OLD = "accounts"
MODULES = """
import json
from importlib.metadata import packages_distributions
print(json.dumps(packages_distributions()))
"""


class WrongError(Exception):
    """Why nothing was made, in one line, and what to do."""


@dataclass(frozen=True)
class Name:
    """The name of a project in the forms in which it stands in its files."""

    distribution: str

    @property
    def package(self) -> str:
        """The name as Python imports it."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """The name as a heading."""
        return self.distribution.replace("-", " ").capitalize()

    def in_text(self, text: str, *, packaging: bool) -> str:
        """Return text of the service with this name; what packages it has the hyphens."""
        plain = self.distribution if packaging else self.package
        forms = {OLD: plain, OLD.capitalize(): self.title, OLD.upper(): self.package.upper()}
        return re.sub(OLD, lambda found: forms.get(found[0], plain), text, flags=re.IGNORECASE)


def read(told: str) -> Name:
    """Return the name of a project; raise `WrongError` with the cause for one that can't be."""
    name = Name(told.strip().replace("_", "-"))
    if not told.strip():
        raise WrongError("it has no name. Write make new NAME=orders TO=../orders")
    if not FORM.fullmatch(name.distribution):
        small = "-".join(re.findall("[a-z0-9]+", told.lower()))
        hint = f", such as {small}" if FORM.fullmatch(small) else ""
        raise WrongError(
            f"{told!r} is no name of a package. "
            f"Take small letters, digits and single hyphens, a letter first{hint}"
        )
    if len(name.distribution) > LONGEST:
        raise WrongError(f"{told!r} is too long. Take {LONGEST} characters at most")
    if cause := taken(name.package):
        raise WrongError(f"{told!r} {cause}. Take another, such as {name.distribution}-service")
    return name


def taken(package: str) -> str | None:
    """Return what else a name means to Python in the service, if it means something."""
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        return "is a word of the language, which can't be imported"
    if package in standard():
        return "would shadow a module of the standard library"
    if hasattr(builtins, package):
        return "would shadow a built-in name"
    if not isinstance(yaml.safe_load(package), str):
        return "is no text in YAML, where the settings name it"
    if package in {path.stem for path in SERVICE.iterdir()} | {"src"}:
        return "is a file or a folder of the project already"
    if package in installed():
        return "would shadow a package that the service installs"
    return None


def standard() -> set[str]:
    """Return the modules of the standard library, of this Python and of others: mypy knows them."""
    spec = find_spec("mypy")
    assert spec and spec.origin
    listed = Path(spec.origin).with_name("typeshed") / "stdlib/VERSIONS"
    others = re.findall(r"^(\w+)[.\w]*:", listed.read_text(), re.MULTILINE)
    return {name.lower() for name in (*sys.stdlib_module_names, *others)}


def installed() -> set[str]:
    """Return the names of the packages that the service locks, and of their modules."""
    lock = (SERVICE / "requirements-dev.txt").read_text()
    locked = re.findall(r"^([a-z0-9][\w.-]*)==", lock, re.MULTILINE)
    asked = [f"{BIN}/python", "-c", MODULES]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    modules = json.loads(told).keys() - {OLD}
    return {name.lower().replace("-", "_") for name in (*locked, *modules)}
