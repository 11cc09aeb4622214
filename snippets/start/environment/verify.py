"""Import all modules of a package, and with them what they import."""

# region imports
import importlib
import sys
from pathlib import Path

# endregion


def verify(package: str) -> list[str]:
    """Import each file of a package; return the names of its modules."""
    names = list[str]()
    for folder in importlib.import_module(package).__path__:
        for file in sorted(Path(folder).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            name = ".".join([package, *parts]).removesuffix(".__init__")
            if parts[-1] != "__main__":
                importlib.import_module(name)
                names.append(name)
    return names


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("Name the package, as in: python verify.py orders")
    try:
        found = verify(sys.argv[1])
    except SystemExit as ended:
        raise ImportError(sys.argv[1]) from ended
    print(*found)
    sys.exit(0 if found else "There is no file to import")
