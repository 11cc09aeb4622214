"""The highlights of a "don't" are computed, and what a reader sees of its failure is what it did."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine import pages
from tests.engine.pages import RefusedError
from tests.engine.proof import Session
from tests.prove import prose, twins

DO = "import time\n\n\ndef add(one: int) -> int:\n    # two\n    check(one)\n    return one + 2\n"
FENCE = '```python title="{0}"{1}\n--8<-- "{0}"\n```\n'
SEEN = '\n```text title="page/bad.fails.out"\n--8<-- "page/bad.fails.out"\n```\n'
PAIR = {"page/bad.py": "page/good.py"}
Written = Callable[..., Path]


def differs(tmp_path: Path, old: str, new: str) -> str:
    """Return the highlight of a "don't" in which a text of its "do" is another."""
    do, dont = tmp_path / "do.py", tmp_path / "dont.py"
    do.write_text(DO)
    assert old in DO
    dont.write_text(DO.replace(old, new))
    return twins.written(twins.difference(do, dont))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("one + 2", "one + 3", "7"),
        ("    check(one)\n", "", "6"),  # what stands where a line is missing
        ("    check(one)\n", "    check(one)\n    lose(one)\n    miss(one)\n", "7-8"),
        ("# two", "# three", "4"),  # a comment alone is no difference in what it does
        ("import time", "import os", "4"),
    ],
)
def test_lines_that_do_something_else_are_lit(
    tmp_path: Path, old: str, new: str, lines: str
) -> None:
    assert differs(tmp_path, old, new) == lines


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """What writes a page with two twins, in a project of its own."""
    for module in (pages, prose, twins):
        for name in ("DOCS", "SNIPPETS"):
            monkeypatch.setattr(module, name, tmp_path / name.lower(), raising=False)
    pages.resolver.cache_clear()

    def write(light: str = "", good: str = "", below: str = SEEN) -> Path:
        folder = tmp_path / "snippets/page"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "good.py").write_text(DO)
        (folder / "bad.py").write_text(DO.replace("+ 2", "+ 3"))
        (folder / "bad.fails.out").write_text("It is 4\n")
        page = tmp_path / "docs/page.md"
        page.parent.mkdir(exist_ok=True)
        told = [FENCE.format("page/good.py", good), FENCE.format("page/bad.py", light)]
        page.write_text("\n".join(["# Page\n", *told]) + below)
        prose.blocks.cache_clear()
        return page

    yield write
    pages.resolver.cache_clear()
    prose.blocks.cache_clear()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({}, r"page.md:7: lines 7 differ from page/good.py, not none"),
        ({"light": ' hl_lines="6"'}, r"page.md:7: lines 7 differ from page/good.py, not 6"),
        (
            {"light": ' hl_lines="7"', "good": ' hl_lines="1"'},
            r"page.md:3: page/good.py is no \"don't\", and lines 1 of it are highlighted. Remove",
        ),
        ({"light": ' hl_lines="7"', "below": ""}, r"page.md:7: the page does not show what a"),
        (
            {"light": ' hl_lines="7"', "below": SEEN + SEEN},
            r"page.md:15: it stands above already. Show it once",
        ),
    ],
)
def test_a_highlight_by_hand_is_refused(written: Written, told: dict[str, str], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        twins.hold_page(written(**told), PAIR, updating=False)


def test_an_update_writes_the_highlight_and_what_is_seen(written: Written) -> None:
    right = written(light=' hl_lines="7"').read_text()
    page = written(light=' hl_lines="1-3"', good=' hl_lines="2"', below="")
    twins.hold_page(page, PAIR, updating=True)
    assert page.read_text() == right
    twins.hold_page(page, PAIR, updating=False)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (AssertionError("it is 4\nassert 4 == 3"), "It is 4\n"),
        (ValueError("no such user\nmore"), "ValueError: no such user\n"),
        (ExceptionGroup("some", [KeyError("id")]), "KeyError: 'id'\n"),
        (AssertionError("DID NOT RAISE <class 'os.SomeError'>"), "No SomeError is raised.\n"),
    ],
)
def test_a_failure_is_told_as_a_reader_sees_it(error: Exception, seen: str) -> None:
    assert twins.outcome(error) == seen


def test_another_failure_than_the_page_shows_is_refused(written: Written) -> None:
    written()
    session = Session(1, updating=False)
    twins.hold_outcome("page/bad.py", AssertionError("it is 4"), session)
    says = r"bad.fails.out:1: a reader sees 'It is 5' when it fails, but the page shows 'It is 4'"
    with pytest.raises(RefusedError, match=says):
        twins.hold_outcome("page/bad.py", AssertionError("it is 5"), session)
