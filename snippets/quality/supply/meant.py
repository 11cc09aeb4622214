"""Refuse what is installed and isn't meant: `meant.py sbom.json lock`."""

# region imports
import json
import re
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

# endregion

ALLOWED = {"Apache-2.0", "BSD-3-Clause", "MIT", "MIT OR Apache-2.0"}


def term(told: dict[str, Any]) -> str:
    """Return a licence as the SBOM writes it: an expression, an id, a name."""
    licence = told.get("license", {})
    found = told.get("expression") or licence.get("id") or licence["name"]
    return str(found)


def refused(parts: list[dict[str, Any]], lock: str) -> list[str]:
    """Return what the lock or the list of licences refuses of an SBOM."""
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)
    found = [] if parts else ["the SBOM is empty"]
    for part in parts:
        name, version = canonicalize_name(part["name"]), part["version"]
        if (name, version) not in locked:
            found.append(f"{name} {version} isn't in the lock")
        terms = [term(told) for told in part.get("licenses", [])]
        if not terms or not ALLOWED.issuperset(terms):
            found.append(f"{name} {version} has {terms or 'no licence'}")
    return found


# region main
def main() -> None:
    """Compare the two files, and end red where a part is refused."""
    sbom, lock = (Path(name).read_text() for name in sys.argv[1:])
    if found := refused(json.loads(sbom).get("components", []), lock):
        print(*found, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
# endregion
