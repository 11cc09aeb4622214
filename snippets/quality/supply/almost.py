"""Refuse a new name that is nearly a known one: `almost.py old new`."""

# region imports
import re
import sys
from difflib import get_close_matches
from pathlib import Path

from packaging.utils import canonicalize_name

# endregion

DIFFERENT = {"gunicorn"}  # nearly uvicorn, and another server


def names(lock: str) -> set[str]:
    """Return the names that a lock has."""
    found = re.findall(r"^([\w.-]+)(?:\[.*?\])? *(?:==|@)", lock, re.MULTILINE)
    return {canonicalize_name(name) for name in found}


def almost(known: set[str], locked: set[str]) -> list[str]:
    """Return each new name, with the known name that it nearly is."""
    if not known or not locked:
        return ["a lock names nothing"]
    new, old = sorted(locked - known - DIFFERENT), sorted(known)
    near = {name: get_close_matches(name, old, 1, cutoff=0.8) for name in new}
    return [f"{name}: nearly {one}" for name in new for one in near[name]]


# region main
def main() -> None:
    """Compare two locks, and end red where a new name is nearly a known one."""
    old, new = (names(Path(lock).read_text()) for lock in sys.argv[1:])
    if found := almost(old, new):
        print(*found, sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
# endregion
