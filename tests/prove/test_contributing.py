"""What the page on contributing promises: its steps, taken in a fresh clone, give a proven page."""

import hashlib
import json
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.engine.pages import ROOT, SNIPPETS, Block
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.prove import style
from tests.prove.steps import PAGE, steps, take, take_back

SHOWN = runpy.run_path(str(SNIPPETS / "contributing/tests/prove/concurrency/test_order.py"))
pytestmark = pytest.mark.timeout(300)  # the first waits for sessions of their own
CLAIM = SHOWN["test_each_order_has_its_own_total"]
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,  # no one's own settings
    "GIT_CONFIG_SYSTEM": os.devnull,
    "NO_MKDOCS_2_WARNING": "1",
}


def in_its_place(twin: Any) -> Any:
    """Return a parameter of the shown test, with the path at which this page keeps the snippet."""
    known = pytest.param(twin) if isinstance(twin, str) else twin
    return pytest.param(f"contributing/snippets/{known.values[0]}", marks=known.marks)


TWINS = [in_its_place(twin) for twin in CLAIM.pytestmark[0].args[1]]


@pytest.mark.parametrize("snippet", TWINS, indirect=True)
def test_the_shown_test_holds(snippet: ModuleType) -> None:
    CLAIM(snippet)


@dataclass
class Walk:
    """A clone, and how the page's commands ended in it, by the path of their block."""

    clone: Path
    ended: dict[str, subprocess.CompletedProcess[str]]


def start(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without anyone's own settings."""
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed; fail if it failed."""
    assert done.returncode == 0, f"{done.args}: {done.stdout}{done.stderr}"
    return done.stdout


def fresh(folder: Path) -> Path:
    """Return a clone of the project as it stands, without the page that the steps add."""
    origin, clone = folder / "origin", folder / "clone"
    said(start(folder, "git", "init", "--quiet", "--bare", "--initial-branch=main", origin))
    here = ("git", "--git-dir", origin, "--work-tree", ROOT)
    me = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    said(start(ROOT, *here, "add", "--all"))
    said(start(ROOT, *here, *me, "commit", "--quiet", "--message=Start"))
    said(start(folder, "git", "clone", "--quiet", *me, origin, clone))
    (clone / ".venv").symlink_to(sys.prefix)
    for block, place in steps():
        if place:
            take_back(block, clone / place)
    said(start(clone, "git", "commit", "--quiet", "--all", "--allow-empty", "--message=Before"))
    return clone


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Walk:
    """What comes of the page's steps and commands, from top to bottom, in a fresh clone."""
    walk = Walk(fresh(tmp_path_factory.mktemp("contributing")), {})
    for block, place in steps():
        if place:
            take(block, walk.clone / place)
        else:
            started = time.perf_counter()
            walk.ended[block.path] = start(walk.clone, "sh", "-eu", block.file)
            seconds = time.perf_counter() - started
            pytestconfig.stash[STATE].runs[block.path] = Run(seconds=seconds)  # its one run
    return walk


@pytest.fixture(scope="module")
def site(walk: Walk) -> Path:
    """The site of that clone."""
    said(start(walk.clone, "mkdocs", "build", "--strict"))
    return walk.clone / "site"


def files(suffix: str) -> list[tuple[Block, Path]]:
    """Return the steps that write files of a kind, each with the file's place."""
    return [(block, Path(place)) for block, place in steps() if place.endswith(suffix)]


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the blocks that a ledger holds."""
    blocks: list[dict[str, Any]] = json.loads((folder / "ledger.json").read_text())["blocks"]
    return blocks


def written() -> str:
    """Return the file that the first command writes: what a reader sees of the "don't"."""
    twins = (twin for twin in CLAIM.pytestmark[0].args[1] if not isinstance(twin, str))
    return str(Path(next(twins).values[0]).with_suffix(".fails.out"))


@pytest.mark.proves("contributing/prove.sh")
def test_the_command_proves_the_page(walk: Walk) -> None:
    said(walk.ended["contributing/prove.sh"])
    ((_, page),) = files(".md")
    blocks = recorded(walk.clone / "docs")
    assert {block["page"] for block in blocks} == {str(page.relative_to("docs"))}
    shown = (walk.clone / page).read_text()
    assert ' hl_lines="' in shown and f'title="{written()}"' in shown
    kinds = {
        str(place.relative_to("snippets")): "dont" if block.heading.startswith("Don't") else "do"
        for block, place in files(".py")
        if place.is_relative_to("snippets")
    }
    assert {block["path"]: block["kind"] for block in blocks} == kinds | {written(): "output"}
    ((_, test),) = ((b, place) for b, place in files(".py") if place.is_relative_to("tests"))
    for block in blocks:
        (proof,) = block["proofs"]
        assert proof["outcome"] == "passed"
        assert any(each.startswith(f"{test}::") for each in proof["tests"])


@pytest.mark.proves("contributing/docs/concurrency/order.md")
def test_the_site_shows_the_page_with_its_proof(site: Path) -> None:
    ((_, page),) = files(".md")
    html = site / page.relative_to("docs").with_suffix("") / "index.html"
    blocks = BeautifulSoup(html.read_text(), "html.parser").select(".highlight")
    shown = [
        (
            f"{str(block.select('.proof-link')[0]['href']).partition('#')[2]}:{number}",
            hashlib.sha256(
                block.select("pre code")[0].get_text().rstrip("\n").encode()
            ).hexdigest(),
        )
        for number, block in enumerate(blocks, start=1)
    ]
    assert shown == [(block["id"], block["sha256"]) for block in recorded(site)] != []


@pytest.mark.proves("contributing/nav.yml")
def test_the_navigation_leads_to_the_page(site: Path) -> None:
    ((shown, page),) = files(".md")
    ((nav, _),) = files(".yml")
    *_, line = yaml.safe_load(nav.text)
    assert line == str(page.relative_to("docs"))
    title = shown.text.splitlines()[0].removeprefix("# ")
    here = site / "contributing"
    links = BeautifulSoup((here / "index.html").read_text(), "html.parser").select("nav a")
    named = [str(link["href"]) for link in links if link.get_text(strip=True) == title]
    assert [(here / link / "index.html").resolve() for link in named] == [
        site / page.relative_to("docs").with_suffix("") / "index.html"
    ]


@pytest.mark.proves("contributing/send.sh")
def test_the_steps_and_nothing_else_are_sent(walk: Walk) -> None:
    said(walk.ended["contributing/send.sh"])
    sent = said(start(walk.clone, "git", "show", "--format=", "--name-only", "@{upstream}"))
    by_hand = [place for _, place in steps() if place]
    by_update = ["tests/prove/concurrency/checks.toml", f"snippets/{written()}"]
    assert sorted(sent.split()) == sorted([*by_hand, *by_update])


def test_the_form_that_it_tells_is_the_one_that_is_held(
    record_property: Callable[[str, object], None],
) -> None:
    rows = re.findall(r"^\| (\(?)([A-Z][\w' ]+)\)? \|", PAGE.read_text(), re.MULTILINE)
    told = [name for optional, name in rows if name not in ("Section", "Don't")]
    assert told == style.ORDER
    assert {name for optional, name in rows[1:] if not optional} == set(style.WANTED)
    record_property("figure", f"{style.LENGTH} words")
