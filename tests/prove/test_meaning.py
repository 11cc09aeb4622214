"""Which edits of a sentence `make update` carries over, and which it leaves to the author."""

from pathlib import Path

import pytest

from tests.prove import claims, meaning
from tests.prove.sentences import plain

CODES = {"query", "cancel", "uncancel", "make", "serve", "site"}
WORDING = {
    "The caller gets its `TimeoutError`.": "Then the caller gets a `TimeoutError`.",
    "A thread isn't stopped by it.": "A thread is not stopped by it.",
    "It waits 5 seconds.": "Here it waits for 5 seconds.",
    "The pool raises two errors.": "The pool raised 2 errors.",
    "It fails, and so the job comes back.": "It fails; so the job comes back.",
}
MEANING = {
    "`AsyncSession` has no `query`.": "`AsyncSession` has a `query`.",
    "It raises `TimeoutError` or `ValueError`.": "It raises `ValueError` or `TimeoutError`.",
    "Ruff's `RUF029` reports it.": "Ruff's `RUF006` reports it.",
    "The client gets 422.": "The client gets 404.",
    "A timeout gets 504, the rest 500.": "A timeout gets 500, the rest 504.",
    "`asyncio.wait_for` runs it.": "`asyncio.wait` runs it.",
    "Call `cancel` on it.": "Call `uncancel` on it.",
    "One message is sent twice.": "One message is sent once.",
    "Ruff misses 14 of the faults.": "Ruff finds 14 of the faults.",
    "It needs a plugin.": "It ignores a plugin.",
    "A retry repeats it.": "A retry replaces it.",
    "It takes 100 connections.": "It takes 15 connections.",
    "The first task asks for it.": "The last task asks for it.",
    "The thread goes on after the timeout.": "The thread ends with the timeout.",
    "It tells before it starts.": "It tells after it starts.",
    "`A` | the body ends early": "`A` | the body ends late",
    "Give every call a timeout.": "Give some calls a timeout.",
    "Tier S adds types.": "Tier L adds types.",
    "`make serve` shows the site.": "`make site` shows the site.",
    "Four more than processors.": "Three more than processors.",
}


@pytest.mark.parametrize(("old", "new"), WORDING.items())
def test_an_edit_of_the_wording_is_one(old: str, new: str) -> None:
    assert meaning.same(plain(old), plain(new), CODES)


@pytest.mark.parametrize(("old", "new"), MEANING.items())
def test_an_edit_of_what_a_sentence_says_is_one(old: str, new: str) -> None:
    assert not meaning.same(plain(old), plain(new), CODES)


PAGE = (
    "# Give all calls a timeout\n\nThe thread goes on, and no other waits.\n\nPass the limit in.\n"
)
TEST = """\
import pytest

INSTRUCTIONS = ["Give all calls a timeout", "Pass the limit in."]


@pytest.mark.holds("The thread goes on, and no other waits.")
def test_it() -> None:
    assert pytest


@pytest.mark.holds("The thread goes on, and no other waits.")
def test_it_again() -> None:
    assert pytest
"""


@pytest.fixture
def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test of a page, both of them somewhere else."""
    test = tmp_path / "test_page.py"
    test.write_text(TEST)
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(claims, "test_of", lambda _: "test_page.py")
    return test


@pytest.mark.parametrize(
    ("old", "new", "times"),
    [
        ("goes on, and no other", "goes on, so no other", 2),
        ("goes on, and no other", "goes on, and every other", 0),
        ("Give all calls a", "Give all of the calls a", 1),
        ("Give all calls a", "Give no call a", 0),
        ("Pass the limit in", "Pass the limit out", 0),
    ],
)
def test_an_update_carries_wording_only(test: Path, old: str, new: str, times: int) -> None:
    page = test.with_name("page.md")
    page.write_text(PAGE.replace(old, new))
    claims.carry(page)
    claims.enlist(page)
    assert (test.read_text().count(new), test.read_text().count(old)) == (
        times,
        0 if times else TEST.count(old),
    )
