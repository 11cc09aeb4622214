"""What the README says: its commands are there, its paths and pictures exist, its words are right."""

import re
import tomllib

import pytest
import uvicorn
from sybil import Document

from tests import sessions
from tests.check import test_pictures
from tests.engine import ledger, pages
from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError
from tests.prove import account, places, prose, pythons
from tests.prove.sentences import prose_lines
from tests.prove.test_index import refused
from tests.refuse.breaks import BREAKS
from tests.refuse.sections import SECTIONS

INSTRUCTIONS = [
    "Run it",
    "Give it an hour on two processors.",
    "Run .ci/run on Debian to install what the tests need of the system, and to test all.",
    "Run make book to write the pages as Markdown beside the site: one book, a file for each page, and an index for language models.",
    "Run make publish VERSION=1.2 on a tagged commit to push its site into the branch that your host serves.",
    "Set SITE_URL to the address at which you publish.",
    "Set REPO_URL and EDIT_URI where git can't tell your fork's.",
    "Run make fresh to prove all in a copy with releases that are a week old: it writes a pull request, or an issue that names what breaks.",
    "Run make pythons to prove all on each supported Python that is found, and to merge their ledgers.",
    "Read more",
]

README = ROOT / "README.md"
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SITE = (ROOT / "mkdocs.yml").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
MADE = re.compile(r"\bmake ([\w-]+)")


def commands() -> list[tuple[int, str]]:
    """Return the numbered lines of the README's blocks of shell."""
    text = README.read_text()
    return [
        (text[: block.start(1)].count("\n") + 1 + number, line.strip())
        for block in FENCED.finditer(text)
        for number, line in enumerate(block[1].splitlines())
    ]


def test_each_command_of_a_block_is_run_by_a_test() -> None:
    assert commands(), "the README shows no command"
    for line, command in commands():
        if command not in prose.commands():
            cure = "Mend it, or name in snippets/data/commands.toml the test that runs it"
            raise RefusedError(README, line, f"no test runs `{command}`", cure)


def test_each_target_is_in_a_makefile() -> None:
    known = "".join((ROOT / name).read_text() for name in ("Makefile", "snippets/service/Makefile"))
    targets = set(re.findall(r"^([a-z][\w-]*):", known, re.MULTILINE))
    lines = README.read_text().splitlines()
    told = [(n, target) for n, line in enumerate(lines, 1) for target in MADE.findall(line)]
    named = [(n, t) for n, t in told if f"`make {t}" in lines[n - 1] or lines[n - 1] == f"make {t}"]
    assert named
    for line, target in named:
        if target not in targets:
            raise RefusedError(
                README, line, f"there is no target {target!r}", "Name one of make help"
            )


@pytest.mark.holds(
    "A block of the page on timeouts, with its proof open below it",
)
def test_pictures_are_there() -> None:
    assert test_pictures.PAGE == "concurrency/timeouts"
    assert (
        'details.proof.passed summary").click()'
        in (ROOT / "tests/check/test_pictures.py").read_text()
    )
    pictures = [target for _, _, target, picture in places.links(README) if picture]
    assert pictures
    assert all((ROOT / picture).stat().st_size for picture in pictures)


@pytest.mark.holds(
    "You need Python 3.11 to 3.13, and make.",
    "The first command builds the environment.",
)
def test_the_python_that_it_asks_for_is_the_one_that_is_required() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    told = {
        v
        for _, line in prose_lines(README)
        for v in re.findall(r"Python \d[\d.]*(?: to [\d.]*\d)?", line)
    }
    assert told == {pythons.named()} == {"Python 3.11 to 3.13"}
    assert pythons.named().startswith(f"Python {required.removeprefix('>=')} ")
    assert "\nserve: $(READY)" in MAKEFILE and "\n$(READY): requirements.txt\n" in MAKEFILE


@pytest.mark.holds(
    "Python playbook",
    "A playbook for teams that build Python services, as a website.",
    "How it works",
    "A page in docs/ holds prose, and its blocks are includes of files in snippets/.",
)
def test_pages_hold_prose_and_includes() -> None:
    assert "site_description: A playbook for teams that build Python services." in SITE
    for page in prose.pages():
        fences = pages.fences(Document(page.read_text(), str(page)))
        assert len(fences) == len(prose.blocks(page))
        assert all(block.file.is_relative_to(SNIPPETS) for block in prose.blocks(page))
        assert page.is_relative_to(DOCS)


@pytest.mark.holds(
    "Every block of Python on every page is a file that was run, typed and linted before a reader sees it, and the proof stands beside the block.",
    "Each line of a block must be executed by a test that passed, and print what the page shows.",
    "mypy and ruff read all files in one go.",
    "Their findings must be those that the tests declare.",
    'A "don\'t" shares its test with a "do", and must fail it in the declared way.',
    "A test, an output or a link holds each sentence that states a fact.",
    "pytest tests/refuse breaks copies of the project, and each break must be refused.",
)
@pytest.mark.parametrize(
    "name",
    [
        "line not executed",
        "changed output",
        "type error",
        "lint error",
        "don't without its finding",
        "healed don't",
        "don't that fails elsewhere",
        "sentence nobody holds",
    ],
)
def test_what_breaks_a_rule_is_refused(name: str) -> None:
    assert refused(name)
    assert not refused(f"{name}, or not")
    assert all(case.where for case in BREAKS if case.says)
    assert "mypy" in (ROOT / "tests/engine/batch.py").read_text()


@pytest.mark.holds("tests/parts/ gives a test real parts: PostgreSQL, a server, a browser.")
@pytest.mark.parametrize("part", ["postgres", "server", "chromium"])
def test_parts_are_started(part: str) -> None:
    text = (ROOT / f"tests/parts/{part}.py").read_text()
    assert re.search(r"Popen|subprocess|uvicorn|launch", text)


@pytest.mark.holds(
    "snippets/service is a project of its own, whose tests prove the sections of it that pages show.",
)
def test_sections_of_the_service_are_proven_by_its_tests() -> None:
    assert (SNIPPETS / "service/pyproject.toml").exists()
    assert "section that no test runs" in {case.name for case in SECTIONS}


@pytest.mark.holds(
    "make test proves every block that your machine can run, then checks the site against the proof.",
    "From then on, your site shows the proof.",
    "make serve shows the site on http://127.0.0.1:8100 and reloads it on each change.",
    "pytest docs tests/prove tests/service proves all that, and writes the ledger: what ran, when, on which versions.",
    "pytest tests/check builds the site and holds it against the ledger, as the reader's browser does again.",
)
def test_the_sessions_are_these() -> None:
    assert "tests/prove" in MAKEFILE and "\n\t$(BIN)/pytest $(if $(ONLY)," in MAKEFILE
    assert sessions.PROVE == ["docs", "tests/prove", "tests/service"]
    assert sessions.CHECK[:2] == ["tests/check", "tests/refuse"]
    assert ledger.LEDGER.is_relative_to(DOCS)
    assert f"\n/{ledger.LEDGER.relative_to(ROOT)}\n" in f"\n{(ROOT / '.gitignore').read_text()}"
    plugin = (ROOT / "tests/engine/plugin.py").read_text()
    assert "session.skipped.add(item.nodeid)" in plugin  # what a machine lacks
    schema = (ROOT / "tests/engine/ledger.schema.json").read_text()
    assert {"tests", "date", "packages"} <= set(re.findall(r'"(\w+)": \{', schema))
    address = re.search(r"^ADDRESS \?= (.*)$", MAKEFILE, re.MULTILINE)
    assert address and f"http://{address[1]}" == "http://127.0.0.1:8100"
    port = address[1].rpartition(":")[2]
    shown = [page.name for page in DOCS.glob("*/*.md") if f":{port}" in page.read_text()]
    assert not shown and uvicorn.Config("app").port != int(port), "a page's app needs this port"
    assert "crypto.subtle.digest" in (DOCS / "assets/ledger.js").read_text()


@pytest.mark.holds(
    "make check PAGE=concurrency/timeouts proves one page.",
)
def test_one_page_is_proven_by_its_name() -> None:
    command = "make check PAGE=concurrency/timeouts"
    assert prose.stands(command, README)
    assert f'"{command}": " passed"' in (ROOT / "tests/check/test_commands.py").read_text()


@pytest.mark.holds(
    "The facts start from the Python guide of the Engineering Playbook by vnykmshr (MIT), which was run block by block and corrected.",
    "MIT licence",
    "Topics",
)
def test_each_row_of_the_source_was_judged() -> None:
    states = {row["state"] for row in account.rows().values()}
    assert states == {"kept", "corrected", "replaced"}
    assert "MIT License" in (ROOT / "LICENSE").read_text()
