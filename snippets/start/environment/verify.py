"""Import all modules of a package, and with them what they import."""

import importlib
import pkgutil
import sys


def verify(package: str) -> list[str]:
    """Import each module of a package; return their names."""
    root = importlib.import_module(package)
    found = pkgutil.walk_packages(root.__path__, f"{package}.")
    names = [one.name for one in found if not one.name.endswith("__main__")]
    for name in names:
        importlib.import_module(name)
    return names


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("Name the package, as in: python verify.py orders")
    print(*verify(sys.argv[1]))
