"""Run the suite in a process that has its libraries loaded already."""

import multiprocessing
import os
import sys
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = [
    "aiohttp",
    "anyio._backends._asyncio",
    "anyio.pytest_plugin",
    "asyncpg",
    "black",
    "bs4",
    "coverage",
    "fastapi",
    "jinja2",
    "jsonschema",
    "looptime._internal.timeproxies",
    "mypy.api",
    "mypy.main",
    "playwright.sync_api",
    "proselint.tools",
    "psutil",
    "pymdownx.snippets",
    "pytest",
    "pytest_examples",
    "pytest_timeout",
    "random_order.plugin",
    "spellchecker",
    "sqlalchemy.ext.asyncio",
    "sybil.sybil",
    "uvicorn",
    "yaml_env_tag",
    "tests.refuse.preloaded",  # comes last
]
PRELOADED = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]


def warm() -> ForkServerContext:
    """Return a context whose processes start with the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context


def run(copy: Path, arguments: list[str], output: Path) -> None:
    """Run pytest in a copy, with the copy's own engine; write its output and its status."""
    with output.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    tracker: Any = resource_tracker._resource_tracker
    os.close(tracker._fd)  # it is the server's, so this process can't wait for its end
    tracker._fd = None
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    original = str(Path(__file__).parents[2])
    sys.path[:] = [path for path in sys.path if path not in ("", original)]
    sys.path.insert(0, str(copy))
    os.chdir(copy)
    os.environ.pop("PYTEST_ADDOPTS", None)  # in another order another test may speak first
    status = pytest.main([*PRELOADED, *arguments])
    sys.stdout.flush()
    output.with_suffix(".status").write_text(str(int(status)))
