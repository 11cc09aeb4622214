"""Refuse what is installed and isn't meant: `meant.py sbom.json lock`."""

# region imports, and how a line of a lock and a licence are written
import json
import re
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

LINE = re.compile(r"(?m)^([\w.-]+)(?:\[.*?\])? *== *([^\s;]+)[ \\]*(;?)")


def term(told: dict[str, Any]) -> str:
    """Return a licence as the SBOM writes it: an expression, an id, a name."""
    licence = told.get("license", {})
    found = told.get("expression") or licence.get("id") or licence["name"]
    return str(found)


# endregion

ALLOWED = {"Apache-2.0", "BSD-3-Clause", "MIT", "MIT OR Apache-2.0"}
ALLOWED |= {"License :: OSI Approved :: Apache Software License"}
OWN = {"orders"}  # your own package, which no lock names


def refused(parts: list[dict[str, Any]], lock: str) -> list[str]:
    """Return what the lock or the list of licences refuses of an SBOM."""
    lines = LINE.findall(lock)
    locked = {(canonicalize_name(name), version) for name, version, _ in lines}
    lacking = {canonicalize_name(name) for name, _, when in lines if not when}
    found = [] if parts and locked else ["the SBOM or the lock is empty"]
    for part in parts:
        name, version = canonicalize_name(part["name"]), part["version"]
        lacking.discard(name)
        if (name, version) not in locked and name not in OWN:
            found.append(f"{name} {version} isn't in the lock")
        terms = [term(told) for told in part.get("licenses", [])]
        if name not in OWN and (not terms or not ALLOWED.issuperset(terms)):
            found.append(f"{name} {version} has {terms or 'no licence'}")
    return found + [f"{name} isn't installed" for name in sorted(lacking)]


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
