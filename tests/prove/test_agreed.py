"""What a page shows of a program can't change unseen beside its sentences."""

from pathlib import Path

import pytest

from tests.engine.pages import DOCS, SNIPPETS
from tests.prove import agreed, prose

PAGE = DOCS / "concurrency/timeouts.md"
SHOWN = "concurrency/timeouts/bounded.py"


def edited(old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is said of a page of which a program was edited, with the line of the edit."""
    read, source = agreed.paragraphs, SNIPPETS / SHOWN
    assert old in source.read_text()
    edit = tmp_path / "edited.py"
    edit.write_text(source.read_text().replace(old, new, 1))
    known = [digest for _, digest in read(source)]
    monkeypatch.setattr(agreed, "kept", lambda _: {SHOWN: known})
    monkeypatch.setattr(agreed, "paragraphs", lambda p: read(edit if p == source else p))
    monkeypatch.delenv(agreed.MUTATED, raising=False)
    return [str(refused) for refused in agreed.changed(PAGE)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("elapsed < 1", "elapsed < 100"),
        ("except TimeoutError:", "except Exception:"),
        ("or raise `TimeoutError`", "or return nothing"),
        ("import time\n", "import time\n\nLIMIT = 5\n"),
        ("    async with asyncio.timeout(limit):\n", ""),
    ],
)
def test_an_edit_leads_to_the_sentences(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (told,) = edited(old, new, tmp_path, monkeypatch)
    source = (SNIPPETS / SHOWN).read_text()
    paragraph = source[: source.index(old)].rpartition("\n\n")[0]
    line = paragraph.count("\n") + 3 if paragraph else 4  # the new one, below the imports
    assert told.startswith(f"snippets/{SHOWN}:{line}: this paragraph is another than when")
    assert "at docs/concurrency/timeouts.md:" in told
    assert "Read the section 'Do' again; `make update` records the change." in told


@pytest.mark.parametrize(
    ("old", "new"), [("limit", "limit"), ("import time\n", "import time\nimport sys\n")]
)
def test_who_edits_nothing_but_imports_hears_nothing(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not edited(old, new, tmp_path, monkeypatch)


def test_the_text_of_each_kind_of_file_is_agreed_or_made() -> None:
    made = {".out", ".json", ".md", ".patch"}  # by a run, by a test, or against the service
    for page in prose.pages():
        for block in prose.blocks(page):
            if not block.path.startswith("service/"):
                assert Path(block.path).suffix in agreed.PROGRAMS | made, block.path


def test_a_mutant_is_left_to_its_own_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreed, "kept", lambda _: {SHOWN: ["0000"]})
    monkeypatch.delenv(agreed.MUTATED, raising=False)
    assert agreed.changed(PAGE)
    monkeypatch.setenv(agreed.MUTATED, SHOWN)
    assert not agreed.changed(PAGE)


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("A\n\nB\n\nC\n", "A\n\nC\n\nB\n", "'B' stood above 'C'"),
        ("A\n\n## B\n\nC\n", "A\n\nC\n\n## B\n", "'B' stood above 'C'"),
        ("1. A\n2. B\n", "1. B\n2. A\n", "'A' stood above 'B'"),
        ("A\n\nB\n", "A\n\nX\n\nB\n", None),
        ("A\n\nB\n\nC\n", "A\n\nC\n", None),
        ("A\n\nB\n\nA\n", "A\n\nB\n\nA\n", None),
    ],
)
def test_a_sentence_that_moves_is_told(
    old: str, new: str, first: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(old)
    rows = [row.split() for row in agreed.renewed(page)[agreed.ORDER]]
    monkeypatch.setattr(agreed, "record", lambda *_: rows)
    page.write_text(new)
    told = [str(refused) for refused in agreed.moved(page)]
    assert [first in each for each in told if first] == [True] * bool(first)
    assert bool(told) == bool(first)


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("Before version 9", None),
        ("Since version 9", ":3: only its link holds 'Since version 9, pytest ignores that.'"),
    ],
)
def test_a_sentence_that_a_link_holds_is_read_again(
    new: str, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, link = tmp_path / "page.md", "[pytest](https://docs.pytest.org/en/stable/changelog.html)"
    page.write_text(f"# A\n\nBefore version 9, {link} ignores that.\n")
    rows = [row.split() for row in agreed.renewed(page)[agreed.ORDER]]
    monkeypatch.setattr(agreed, "record", lambda *_: rows)
    monkeypatch.setattr(agreed, "test_of", lambda _: "tests/nowhere.py")
    page.write_text(page.read_text().replace("Before version 9", new))
    refused = [str(each) for each in agreed.unknown(page)]
    assert len(refused) == bool(told)
    assert all(told in each for each in refused if told)
