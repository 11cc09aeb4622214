"""A project of a few tests, with a lock, and a registry that has newer versions of what it uses."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.check.test_commands import commit
from tests.fresh import locks
from tests.fresh.clone import Environment, Project
from tests.fresh.locks import Lock
from tests.parts import registry, wheels

OLD, YOUNG = timedelta(days=90), timedelta(days=2)
TINY = {
    ".gitignore": "/.venv\n/fresh\n__pycache__/\n",
    "pyproject.toml": """\
[project]
name = "tiny"
version = "1"
[dependency-groups]
tests = ["alpha", "delta", "gamma", "pytest", "shown"]
[tool.pytest]
filterwarnings = ["error"]
addopts = ["-p", "no:cacheprovider"]
markers = ["holds: sentences"]
""",
    "conftest.py": """\
def pytest_addoption(parser):
    parser.addoption("--update-examples", action="store_true")

def pytest_configure(config):  # a page stands for its tests
    config.args[:] = ["tests/prove/test_alpha.py" if a.endswith(".md") else a for a in config.args]
""",
    "docs/alpha.md": "# Alpha\n\nIt returns one.\n",
    "tests/prove/test_alpha.py": """\
import alpha
import pytest

@pytest.mark.holds("It returns one.")
def test_alpha():
    assert alpha.value() == 1
""",
    "tests/test_pair.py": """\
import delta
import gamma

def test_pair():
    assert gamma.value() + delta.value() < 4, "they differ"
""",
    "tests/test_shown.py": """\
import pathlib
import shown

def test_shown(pytestconfig):
    file = pathlib.Path("shown.out")
    if pytestconfig.option.update_examples:
        file.write_text(f"{shown.value()}\\n")
    assert file.read_text() == f"{shown.value()}\\n"
""",
    "shown.out": "1\n",
}
VALUE = "def value():\n    return {}\n"
WARNS = "warnings.warn('value() goes in 3.0', DeprecationWarning)"
NEWER = {  # what each package's second version is
    "alpha": f"import warnings\n\ndef value():\n    {WARNS}\n    return 1\n",
    "delta": VALUE.format(2),
    "gamma": VALUE.format(2),
    "shown": VALUE.format(2),
}


def written(base: Path) -> tuple[Path, dict[str, timedelta]]:
    """Write the project and the wheels; return the folder of these, and the age of each."""
    root, served = base / "tiny", base / "served"
    served.mkdir()
    for path, text in TINY.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    names = ("pytest", "pluggy", "packaging", "iniconfig", "pygments")
    files = [*(wheels.pack(name, served) for name in names)]
    files += [wheels.wheel(served, "colorama", "1.0")]
    files += [wheels.wheel(served, name, "1.0", source=VALUE.format(1)) for name in NEWER]
    newer = [wheels.wheel(served, name, "2.0", source=text) for name, text in NEWER.items()]
    young = [wheels.wheel(served, name, "3.0") for name in NEWER]
    ages = {file.name: 3 * OLD for file in files} | {file.name: OLD for file in newer}
    return served, ages | {file.name: YOUNG for file in young}


@contextmanager
def planted(base: Path) -> Iterator[Project]:
    """Give the project, locked half a year ago, while the registry serves."""
    served, ages = written(base)
    root, lock = base / "tiny", Lock(".", "requirements.txt", ("--group", "tests"))
    with registry.serving(served, ages) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", address)
        patch.setenv("UV_CACHE_DIR", str(base / "cache"))
        patch.setenv("UV_HTTP_RETRIES", "0")
        patch.setattr(tempfile, "tempdir", str(base))
        locks.compiled(root, [lock], f"--exclude-newer={datetime.now(UTC) - 2 * OLD:%Y-%m-%d}")
        commit(root, "Start")
        venv = Environment(".venv", lock.path, pip=False)
        yield Project(root, (lock,), (venv,), ("tests",), ("tests",))
