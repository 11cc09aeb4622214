"""What the page on contributing promises: its steps, taken in a fresh clone, give a proven page."""

import hashlib
import json
import os
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

from tests.engine.pages import DOCS, ROOT, SNIPPETS, Block
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.prove import places, pythons, style
from tests.prove.sentences import plain, sentences
from tests.prove.steps import PAGE, steps, take, take_back
from tests.sessions import PARTS

ORDER = runpy.run_path(str(SNIPPETS / "contributing/tests/prove/concurrency/test_order.py"))
INSTRUCTIONS = [
    "Add a page",
    "Take these steps once as they stand, in a clone of your fork, then take an idea of your own.",
    "Install git, make, and Python 3.11 to 3.13.",
    "Run make serve, open http://127.0.0.1:8100, and leave it running: it shows what you save.",
    "Write each file at the place that the sentence above its block names.",
    "Write the file",
    "Put a file under snippets/, in a folder for its chapter and page, and name it for the idea that it shows.",
    "Let it run as it stands, and print what the reader should learn: facts and ratios, never a time, an address or an id.",
    "Write snippets/concurrency/order/grouped.py:",
    "Leave the #> lines to make update.",
    "Write its twin, which makes the same promise and breaks it, as snippets/concurrency/order/mislabelled.py:",
    "Show it on a page",
    "Give a fence one include, and the file's name as its title.",
    'Put a "don\'t" under a heading that begins with that word.',
    "Keep these sections in this order, with headings of your own between them, which say a claim.",
    "Leave out those in brackets where the page doesn't need them.",
    "Write one idea a sentence, in 30 words at most.",
    "Write docs/concurrency/order.md:",
    "Add its line to the navigation, below its neighbour's in mkdocs.yml:",
    "Say what it must do",
    "Bind each sentence of the page in one of these ways:",
    "Let a test hold what is a fact: name the sentence in pytest.mark.holds, word for word.",
    "Use a block of its section in that test, and the figures and the code of the sentence.",
    "Record there as says the words that the run decides, so that no edit of the sentence gets past it.",
    "Let a test that isn't new assert something new for a sentence that is.",
    "Name in a mapping called SHOWN the line of output that shows it.",
    "Link to the documentation of a library that says so.",
    'Begin an instruction with a verb, and a judgement with words such as "We prefer".',
    "Leave the lists of instructions and judgements to make update, and an edit of a sentence's wording too: write an edit of what it says into the test yourself.",
    "For pytest, write tests/prove/concurrency/test_order.py:",
    "Prove it",
    "Mend what is refused: a refusal names the file and the line, the reason, and what to do.",
    "When all is green, look at the page in the browser.",
    "Send it",
    "Run make test yourself first where you changed what other pages use, such as tests/parts/.",
]
pytestmark = pytest.mark.timeout(300)  # the first waits for sessions of their own
CLAIM = ORDER["test_each_order_has_its_own_total"]
ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,  # no one's own settings
    "GIT_CONFIG_SYSTEM": os.devnull,
    "NO_MKDOCS_2_WARNING": "1",
}


JUDGEMENTS = [
    'Begin an instruction with a verb, and a judgement with words such as "We prefer".',
]


def in_its_place(twin: Any) -> Any:
    """Return a parameter of the shown test, with the path at which this page keeps the snippet."""
    known = pytest.param(twin) if isinstance(twin, str) else twin
    return pytest.param(f"contributing/snippets/{known.values[0]}", marks=known.marks)


TWINS = [in_its_place(twin) for twin in CLAIM.pytestmark[0].args[1]]


def test_the_pythons_are_those_that_are_tested(record_property: Callable[[str, str], None]) -> None:
    assert f"Install git, make, and {pythons.named()}." in INSTRUCTIONS
    record_property("figure", pythons.named().rpartition(" ")[2])


@pytest.mark.parametrize("snippet", TWINS, indirect=True)
def test_the_shown_test_holds(
    snippet: ModuleType, record_property: Callable[[str, object], None]
) -> None:
    CLAIM(snippet, record_property)


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


@pytest.mark.holds(
    'The first command marks the lines in which the "don\'t" differs from its "do", and shows what a reader sees when it fails.',
    "The second command proves the page.",
)
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


@pytest.mark.holds(
    "Send the branch and open a pull request: its workflow runs .ci/run, which proves all pages.",
)
@pytest.mark.proves("contributing/send.sh")
def test_the_workflow_of_a_pull_request_proves_all() -> None:
    workflow = yaml.safe_load(pythons.WORKFLOWS[0].read_text())
    assert "pull_request" in workflow[True]  # what YAML makes of `on`
    jobs = [(job, job["steps"]) for job in workflow["jobs"].values()]
    runs = [step["run"] for _, steps in jobs for step in steps if ".ci/run" in step.get("run", "")]
    assert runs == ['bash .ci/run "$PART"', "bash .ci/run check"]
    assert {*jobs[0][0]["strategy"]["matrix"]["part"], "check"} == {*PARTS}
    assert (ROOT / ".ci/run").read_text().endswith('\nmake test ${1:+"ONLY=$1"}\n')


@pytest.mark.proves("contributing/send.sh")
def test_the_steps_and_nothing_else_are_sent(walk: Walk) -> None:
    said(walk.ended["contributing/send.sh"])
    sent = said(start(walk.clone, "git", "show", "--format=", "--name-only", "@{upstream}"))
    by_hand = [place for _, place in steps() if place]
    by_update = ["README.md", "docs/index.md", "tests/prove/concurrency/checks.toml"]
    by_update.append(f"snippets/{written()}")
    assert sorted(sent.split()) == sorted([*by_hand, *by_update])


@pytest.mark.holds(
    "the title | the task or the claim, as one would search for it | Keep the order of results",
    "When you need this | what the reader sees when it goes wrong, in two or three sentences | Look for an invoice that shows the total of another order.",
    "The rule | one sentence that tells the reader what to do | Read each result from the task that asked for it.",
    "(Do) | the smallest complete code, and where to look in it | Look at totals",
    "(Don't) | its twin, and what happened when it ran | Nothing is raised",
    "(In your code) | how to change a service that is there | Give every call a timeout",
    "(Why) | the mechanism | Give every call a timeout",
    "Check | a test, a rule, a configuration or a command to copy | Copy fetch_total into a test of your own batch.",
    "See also | the neighbours, and the library's own documentation | Limit how many tasks run at once",
)
@pytest.mark.proves("contributing/docs/concurrency/order.md")
def test_the_form_that_it_tells_is_the_one_that_is_held(
    record_property: Callable[[str, object], None],
) -> None:
    rows = [one.text.split(" | ") for one in sentences(PAGE) if one.kind == "row"]
    told = {name.strip("()"): (what, example) for name, what, example in rows}
    assert [name for name in told if name not in ("the title", "Don't")] == style.ORDER
    assert {name for name, *_ in rows[1:] if name[0] != "("} == set(style.WANTED)
    assert {name: told[name][0] for name in style.WANTED} == style.WANTED
    sample = plain((SNIPPETS / "contributing/docs/concurrency/order.md").read_text())
    linked = {text: DOCS / target.partition("#")[0] for _, text, target, _ in places.links(PAGE)}
    for name, (_, example) in told.items():
        page = linked.get(example)
        assert f"\n## {name}\n" in page.read_text() if page else example in sample
    record_property("figure", f"{style.LENGTH} words")


@pytest.mark.holds("The title of a block names the copy that this page shows and proves.")
def test_each_block_is_a_copy_of_the_file_that_a_step_writes() -> None:
    for block, place in steps():
        assert place in ("", "mkdocs.yml") or block.path == f"contributing/{place}"
        assert block.file.exists()
