"""A sentence that is edited like its name in a test is refused, unless the test shows it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.prove import agreed, claims, holding, novel

PAGE = "# Tasks\n\nThe thread ends before the timeout.\n"
TEST = """\
import pytest

@pytest.mark.holds("The thread ends before the timeout.")
def test_it() -> None:
    assert ended() < 5
"""
Refused = Callable[..., list[str]]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Return what is said of an edit of a page and its test that were agreed."""
    page, test = tmp_path / "page.md", tmp_path / "test_page.py"
    for module in agreed, claims, novel:
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "test_of", lambda _: test.name)
    page.write_text(PAGE)
    test.write_text(TEST)
    holding.record(test, agreed.renewed(page))

    def edited(*edits: tuple[str, str], carried: str = "", says: str = "") -> list[str]:
        for old, new in edits:
            for file in page, test:
                file.write_text(file.read_text().replace(old, new))
        holding.functions.cache_clear()  # a session reads a file once
        item: Any = SimpleNamespace(name="test_it", user_properties=[("says", says)])
        return [str(each) for each in novel.unshown(page, [carried], [item] if says else [])]

    return edited


TURNED = "before the timeout", "after the timeout"
AFTER = "The thread ends after the timeout."


def test_a_sentence_that_no_new_assertion_shows_is_refused(refused: Refused) -> None:
    (told,) = refused(TURNED)
    assert f":3: {AFTER!r} is new, and test_it, which holds it, asserts nothing new. Let" in told


@pytest.mark.parametrize(
    "edit",
    [
        ("ended() < 5", "ended() > 5"),  # it asserts something else
        ("test_it", "test_that"),  # it is new
        ("assert ended", "assert sentences(PAGE)\n    assert ended"),  # it reads the page
        ("import pytest", "import pytest\nLIMIT = 5"),
    ],
)
def test_a_test_that_asserts_something_new_may_show_it(
    refused: Refused, edit: tuple[str, str]
) -> None:
    assert bool(refused(TURNED, edit)) == ("LIMIT" in edit[1])


def test_what_the_run_says_shows_it(refused: Refused) -> None:
    assert not refused(TURNED, says="ends after")
    assert refused(says="ends before")


def test_an_update_may_carry_a_wording_over(refused: Refused) -> None:
    assert not refused(TURNED, carried=AFTER)


def test_a_wording_that_weighs_nothing_is_taken(refused: Refused) -> None:
    assert not refused((PAGE.split("\n")[2], "The table is a list."))


def test_a_page_that_is_new_is_taken(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreed, "record", lambda *_: [])
    assert not refused(TURNED)
