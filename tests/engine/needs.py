"""What a block needs to run: packages to install, and variables to set."""

import ast
import functools
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

EXTRAS = {"sqlalchemy.ext.asyncio": "sqlalchemy[asyncio]"}  # modules that need an extra
DRIVERS = {"DATABASE_URL": "asyncpg"}  # which no block imports: the variable's form names it
VARIABLE = re.compile(r"""\b(?:environ(?:\.get\()?|getenv\()[\[(]?\s*["'](?P<name>\w+)["']""")


SERVED = re.compile(r"^\w+ = FastAPI\(", re.MULTILINE)  # what a server must run


def variables(source: str) -> list[str]:
    """Return the environment variables that Python source reads."""
    return sorted({found["name"] for found in VARIABLE.finditer(source)})


def packages(source: str) -> list[str]:
    """Return what to install for Python source, as pip is told."""
    names = {DRIVERS[name] for name in variables(source) if name in DRIVERS}
    names |= {"uvicorn"} if SERVED.search(source) else set()
    for module in modules(ast.parse(source)):
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top in distributions():
            names.add(EXTRAS.get(module, distributions()[top]))
    return sorted(name for name in names if f"{name}[asyncio]" not in names)


def modules(tree: ast.AST) -> set[str]:
    """Return the modules that source imports."""
    found = set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {each.name for each in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
    return found


@functools.cache
def distributions() -> dict[str, str]:
    """Return the package that each module comes from."""
    found = metadata.packages_distributions()
    return {module: canonicalize_name(names[0]) for module, names in found.items()}


def of(file: Path) -> list[str]:
    """Return all that a file needs: packages, then variables."""
    source = file.read_text()
    return packages(source) + variables(source)


def unnamed(file: Path, page: str) -> list[str]:
    """Return what a file needs and the text of its page doesn't name as code."""
    return [name for name in of(file) if not re.search(f"`{re.escape(name)}[` ]", page)]
