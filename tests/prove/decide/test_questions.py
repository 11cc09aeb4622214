"""What the page on questions claims."""

import importlib
import json
import re
import runpy
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.engine import pages
from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.prove import contents
from tests.prove.sentences import sentences

FOLDER = "decide/questions"
DATA = SNIPPETS / FOLDER / "questions.toml"
QUESTIONS: dict[str, dict[str, str]] = tomllib.loads(DATA.read_text())
PAGE = DOCS / "decide/questions.md"
SERVICE = SNIPPETS / "service"
PROJECT: dict[str, Any] = tomllib.loads((SERVICE / "pyproject.toml").read_text())
MODULES = [file.read_text() for file in (SERVICE / "src").rglob("*.py")]


INSTRUCTIONS = [
    "Answer each question before the first line of code, take the default where you don't know, and record each answer that differs.",
    "Do: refuse a question without a default",
    "Don't: look for the key alone",
    "Record a decision",
    "Write one page, an architecture decision record (ADR), for each answer that costs much to change: what you knew, what you decided, and what follows from it.",
    "Keep it beside the code, never change what it decided, and replace it by another record.",
    "Link to it from what depends on it.",
    "Copy questions.toml, and answer its questions for your service.",
    "Let the first pull request carry the answers, so that somebody reads them.",
    "Ask again when what an answer depends on changes.",
    "Run python settled.py questions.toml in the build.",
]


JUDGEMENTS = [
    "We would call a choice that nobody wrote down an accident: a year later nobody knows why it stands.",
    "We call an answer that holds until somebody decides otherwise a default.",
]


def text(path: str) -> str:
    """Return what a file of the service says."""
    return (SERVICE / path).read_text()


def needs(package: str) -> bool:
    """Tell whether the service depends on a package."""
    return package in {re.split(r"\W", name)[0] for name in PROJECT["project"]["dependencies"]}


BUILT: dict[str, Callable[[], bool]] = {  # how the service shows that it keeps each default
    "concurrency": lambda: "async def" in text("src/accounts/api/handlers.py"),
    "budget": lambda: '"99%"' in (SNIPPETS / "decide/budgets/budget.toml").read_text(),
    "versions": lambda: (
        "3.11" in PROJECT["project"]["requires-python"]
        and PROJECT["tool"]["ruff"]["target-version"] == "py311"
    ),  # two lines
    "framework": lambda: needs("fastapi"),
    "types": lambda: PROJECT["tool"]["mypy"]["strict"] is True,
    "deployment": lambda: "UvicornWorker" in text("gunicorn.conf.py"),
    "orm": lambda: needs("sqlalchemy"),
    "isolation": lambda: "uv venv" in text("Dockerfile"),
}
NAMED = {  # what a module says that a change touches, and which share of the modules that is
    "concurrency": (r"async def|await ", 0.4, 0.65),
    "budget": (r"percentile|budget", 0, 0),
    "versions": (r"version_info", 0, 0.05),
    "framework": (r"fastapi|starlette", 0.15, 0.28),
    "types": (r"\) -> ", 0.75, 1),
    "deployment": (r"gunicorn|uvicorn", 0.01, 0.12),
    "orm": (r"sqlalchemy", 0.15, 0.28),
    "isolation": (r"Docker|venv", 0, 0),
}


def row(told: dict[str, str]) -> str:
    """Return a row of the table, from its data."""
    link = f"[{contents.title_of(told['page'])}]({Path('..', told['page']).as_posix()})"
    link = link.replace("(../decide/", "(")
    return (
        f"| {told['question']} | {told['default']} | {told['depends']} | {told['later']} | {link} |"
    )


@pytest.mark.proves(f"{FOLDER}/questions.toml")
def test_the_table_is_made_from_the_data(pytestconfig: pytest.Config) -> None:
    head, rule, rest = PAGE.read_text().partition("|---|---|---|---|---|\n")
    rows, wanted = re.match(r"(?:\|.*\n)*", rest), [row(told) for told in QUESTIONS.values()]
    assert rows
    if pytestconfig.option.update_examples:
        PAGE.write_text(head + rule + "\n".join(wanted) + "\n" + rest[rows.end() :])
    elif (shown := rows[0].splitlines()) != wanted:
        reason = f"the table isn't what {DATA.name} says"
        line = (
            head.count("\n")
            + 2
            + next(
                (
                    n
                    for n, pair in enumerate(zip(shown, wanted, strict=False))
                    if pair[0] != pair[1]
                ),
                min(len(shown), len(wanted)),
            )
        )
        raise RefusedError(PAGE, line, reason, "Change that file, and run `make update`")


@pytest.mark.holds(
    "Settle what costs much to change before you build",
    "The data of the table",
    "How does the code wait? | async def for what awaits, def for what blocks | the drivers and clients that it calls | about half of the modules | Choose how code runs by what it waits for",
    "How slow may it be? | a limit for 99% of the requests, under a named load | who waits for the answer | no module, so nobody misses it until users wait | Write a performance budget that a run can break",
    "Which Pythons? | from the floor of the libraries up | the libraries, and the date on which a Python ends | two lines, and the lock | Support the Pythons that get fixes",
    "Which framework? | FastAPI | whether it renders pages, and what the team runs already | about a fifth of the modules | Choose a stack by what it refuses",
    "How strict are the types? | strict, from the first line | how much code without types is there already | nearly every module | Turn on strict types from the first line",
    "Which server? | ASGI, one process for each processor | how many calls wait at once | a few modules, and the configuration | Choose a server by what your endpoints wait for",
    "Which way to the database? | SQLAlchemy, each query told what to load | the framework, and the shape of the queries | about a fifth of the modules | Choose a stack by what it refuses",
    "What keeps it apart? | a virtual environment, in a container | who keeps the machine up to date | no module, but the image | Choose a stack by what it refuses",
    "The service is built with these defaults, but for the budget and the number of processes.",
    "Its modules were counted for the last but one column, and the shares are bands.",
)
@pytest.mark.proves(f"{FOLDER}/questions.toml")
@pytest.mark.parametrize("name", QUESTIONS)
def test_each_default_is_what_the_service_does(name: str, record_property: Any) -> None:
    for percent in re.findall(r"\d+%", str(QUESTIONS)):
        record_property("figure", percent)
    assert BUILT[name]()
    pattern, least, most = NAMED[name]
    share = sum(bool(re.search(pattern, module)) for module in MODULES) / len(MODULES)
    assert least <= share <= most, QUESTIONS[name]["later"]
    page = DOCS / QUESTIONS[name]["page"]
    assert (ROOT / pages.test_of(page)).exists()
    assert [one for one in sentences(page) if one.text == "The rule"]


@pytest.mark.proves(f"{FOLDER}/questions.toml")
def test_no_question_is_left_open() -> None:
    settled = importlib.import_module("snippets.decide.questions.settled")
    assert settled.unsettled(DATA.name, DATA.read_text()) == []


@pytest.mark.holds(
    'A default that says "to be decided" stands in the file, and the check is green.',
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/settled.py",
        pytest.param(
            f"{FOLDER}/named.py",
            marks=pytest.mark.xfail(  # the key is there, and its value says nothing
                strict=True, raises=pytest.RaisesExc(AssertionError, match="is not refused")
            ),
        ),
    ],
    indirect=True,
)
def test_a_question_without_a_default_is_refused(snippet: ModuleType) -> None:
    told = DATA.read_text()
    assert snippet.unsettled("file", told) == []
    (missing,) = snippet.unsettled("file", told.replace('default = "FastAPI"\n', ""))
    assert missing.startswith("file:22: [framework] has no default. Write")
    for nothing in "?", "", " TBD. ", "To be decided", "none":
        found = snippet.unsettled("file", told.replace('"FastAPI"', f'"{nothing}"'))
        assert len(found) == 1, f"a default of {nothing!r} is not refused"


@pytest.mark.holds(
    "It names the file, the line and the part that is missing, and ends with an error.",
    "Without a file, or without a question in it, it ends red too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/settled.py", f"{FOLDER}/named.py"], indirect=True)
def test_the_command_ends_with_an_error(
    snippet: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    program = f"{FOLDER}/{snippet.__name__.rpartition('.')[2]}.py"
    pytestconfig.stash[STATE].runs[program] = Run()  # it has to end red
    file, command = tmp_path / "questions.toml", "python settled.py questions.toml"
    file.write_text(DATA.read_text())
    monkeypatch.setattr(sys, "argv", [*command.split()[1:2], str(file)])
    snippet.main()
    lacking = DATA.read_text().replace('later = "nearly every module"\n', "")
    for told in lacking, lacking.replace("[types]", "[types]  # of functions"):
        file.write_text(told)
        with pytest.raises(SystemExit, match=r"questions.toml:29: \[types\] has no later"):
            snippet.main()
    file.write_text("# What we have to settle.\n")
    with pytest.raises(SystemExit, match=r"questions.toml:1: it has no question"):
        snippet.main()
    monkeypatch.setattr(sys, "argv", ["settled.py"])
    with pytest.raises(SystemExit, match="Name the file"):
        runpy.run_path(str(SNIPPETS / program), run_name="__main__")


@pytest.mark.holds(
    "The figures of this record are those of Choose a server by what your endpoints wait for, and a test compares them.",
)
@pytest.mark.proves(f"{FOLDER}/0001-asgi.md")
def test_the_record_says_what_the_run_measured() -> None:
    record = (SNIPPETS / FOLDER / "0001-asgi.md").read_text()
    runs = json.loads((SNIPPETS / "decide/servers/servers.json").read_text())
    thread, loop = runs["WSGI, 1 thread"]["calls"], runs["ASGI, 1 process"]["calls"]
    assert re.findall(r"(\d+) of (\d+)", record) == [(str(thread), "40"), (str(loop), "40")]
    assert re.findall(r"^## (.*)", record, re.MULTILINE) == ["Context", "Decision", "Consequences"]
