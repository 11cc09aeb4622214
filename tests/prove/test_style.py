"""The house style: what it refuses, and what else than pages it holds."""

import itertools
import re
import subprocess
from pathlib import Path

import pytest

from tests.engine.pages import ROOT, SNIPPETS, RefusedError
from tests.prove import places, prose, spelling, style
from tests.prove.sentences import sentences
from tests.prove.test_whole import SERVICE

GOOD = """\
# Close each file

## When you need this

The process runs out of files.

## The rule

Close each file where it was opened.

## Do

Open it in a `with` block.

## Don't

Never count on the collector.

## In your code

Look for `open`.

## Why

A file is a number in the kernel.

## Check

Run `make test`.

## See also

- [Files, in Python's documentation](https://docs.python.org/3/library/io.html#files)

[Tiers M and L](tiers.md)
"""
CHECK = "## Check\n\nRun `make test`.\n"
FORMS = {  # an edit of the good page, the line of the refusal, and what it says
    "no title": ("# Close each file", "Close each file", 1, "no title"),
    "no reason to read": ("## When you need this", "## Introduction", 3, "stands below the title"),
    "no rule": ("## The rule\n\n", "", 33, "no section 'The rule'"),
    "no check": ("## Check", "## To copy", 35, "no section 'Check'"),
    "no links": ("## See also\n", "", 34, "no section 'See also'"),
    "rule that tells nothing": ("Close each file where", "Files are where", 9, "is no rule"),
    "check before why": (
        f"## Why\n\n{'A file is a number in the kernel.'}\n\n{CHECK}",
        f"{CHECK}\n## Why\n\nOpen.\n",
        27,
        "'Why' stands below 'Check'",
    ),
    "don't below its use": (
        "## Don't",
        "## In your code\n\nLook.\n\n## Don't",
        19,
        "\"Don't\" stands below 'In your code'",
    ),
    "two checks": ("## See also", "## Check\n\n## See also", 31, "'Check' stands below 'Check'"),
    "check without anything to copy": ("Run `make test`.", "Look at it.", 27, "nothing to copy"),
    "links to nobody's documentation": ("docs.python.org", "example.org", 31, "no link leads to"),
    "links above another section": (
        "## Check",
        "## See also\n\n- [There](a.md)\n\n## Check",
        31,
        "'Check' stands below 'See also'",
    ),
    "tiers on top": (
        "## When you need this\n",
        "## When you need this\n\nTiers M and L.\n",
        5,
        "tiers stand here",
    ),
    "tiers with their reason": ("Look for `open`.", "Tier M: a change.", 21, "tiers stand here"),
}  # fmt: skip  a case is a row
PHRASES = {
    "A caller that gets no connection fails.": None,
    "Who gets none fails.": "riddle",
    "What computes doesn't wait.": "riddle",
    "What happens at the limit?": None,
    "To take a job is to make it due again.": "aphorism",
    "Open the pool first, for a process starts with the call.": "because",
    "Nothing else runs, for they hold the loop.": "because",
    "Wait for a process that starts with the call.": None,
    "One of two calls fails while the rest goes on.": None,
    "One is left in the table.": "points into another",
    "The other waits.": "points into another",
    "An endpoint has one: it answers 504.": "stands for a noun",
    "The task will end.": "no present tense",
    "It is simply a number.": "adds nothing",
    "A powerful queue keeps the jobs.": "praise",
    "Close the file!": "shouts",
    "Close files, sockets, etc. at the end.": "Latin",
    "Use a lock in order to keep the order.": "long word",
    "At this point in time the job is late.": "proselint",
    "Read a book, a page, a line. " + "Read, " + "a, the, " * 15 + "a.": "32 words",
    "Read, " + "a, the, " * 14 + "a.": None,
}
WORDS = {
    "The databse keeps it.": "databse",
    "Recieve the answer": "Recieve",
    "A word in `databse` is code": None,
    "FastAPI's answer, a coroutine and PostgreSQL": None,
    "Each tset is run": "tset",
    "A beng of its own": "beng",
    "See [the answer](databse.md) and <https://databse.org>": None,
    "The clients's file isn't ther": "ther",
}
PLACES = {
    "[Close each file](there.md)": None,
    "[Closing files](there.md#the-rule)": "does not name there.md#the-rule",
    "The rule is to [close files](there.md#the-rule).": None,
    "[Give every call a timeout](there.md)": "does not name there.md",
    "[Times](https://docs.python.org/3/library/time.html#sleep)": "nothing beside 'Times' names",
    "Sleep: [Times](https://docs.python.org/3/library/time.html#sleep)": None,
    "[Rules](there.md#the-rule)": None,
    "[Timeouts](there.md)": "'Timeouts' does not name there.md",
    "[Files](nowhere.md)": "isn't there",
    "![Files](nowhere.png)": "isn't there",
    "[Files](https://docs.python.org/3/library/io.html#files)": None,
    "[Sockets](https://docs.python.org/3/library/io.html#files)": "does not name https",
    "[Files](https://files.example.org/)": "no host of documentation",
    "## 1. Open\n\n## 2. Close": None,
    "## 1. Open\n\n## 3. Close": "the number 3",
    "## 2. Open\n\n## 1. Close": "the number 2",
    "## 1. Open\n\n### 1. One\n\n### 2. Two\n\n## 2. Close\n\n### 1. One": None,
}


def page(folder: Path, text: str) -> Path:
    """Write a page beside a good one."""
    (folder / "there.md").write_text(GOOD)
    (folder / "page.md").write_text(text)
    return folder / "page.md"


def test_a_page_by_the_template_is_accepted(tmp_path: Path) -> None:
    good = page(tmp_path, GOOD)
    assert style.sections(good, sentences(good)) == []


def test_a_sentence_may_begin_with_a_tier(tmp_path: Path) -> None:
    text = GOOD.replace("Look for `open`.", "Tier S takes the tests of one module.")
    good = page(tmp_path, text)
    assert style.sections(good, sentences(good)) == []


@pytest.mark.parametrize(("old", "new", "line", "says"), FORMS.values(), ids=list(FORMS))
def test_a_page_out_of_form_is_refused(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert GOOD.count(old) == 1
    bad = page(tmp_path, GOOD.replace(old, new))
    told = [str(refused) for refused in style.sections(bad, sentences(bad))]
    assert any(f":{line}: " in each and says in each for each in told), told


@pytest.mark.parametrize(("text", "says"), PHRASES.items())
def test_a_phrase_is_refused(tmp_path: Path, text: str, says: str | None) -> None:
    told = [str(each) for each in style.phrases(sentences(page(tmp_path, f"# One\n\n{text}\n")))]
    assert bool(told) == bool(says), told
    assert not says or any(says in each and ":3: " in each for each in told), told


@pytest.mark.parametrize(("text", "says"), WORDS.items())
def test_a_misspelt_word_is_refused(tmp_path: Path, text: str, says: str | None) -> None:
    told = [str(each) for each in spelling.hold(page(tmp_path, f"# One\n\n{text}\n"))]
    assert len(told) == bool(says), told
    assert not says or f":3: {says!r} is misspelt" in told[0]


@pytest.mark.parametrize(("text", "says"), PLACES.items())
def test_a_link_or_a_number_is_refused(tmp_path: Path, text: str, says: str | None) -> None:
    there = page(tmp_path, f"# One\n\n{text}\n")
    told = [str(each) for each in [*places.led(there), *places.counted(there)]]
    assert len(told) == bool(says), told
    assert not says or says in told[0]


def test_tabs_whose_names_are_exchanged_are_refused(tmp_path: Path) -> None:
    exchanged = 0
    for tabs in prose.pages():
        text = tabs.read_text()
        for one, other in itertools.pairwise(re.findall(r'(?m)^=== "(.+)"$', text)):
            bad = tmp_path / f"{exchanged}.md"
            edit = text.replace(f'=== "{one}"', "\0").replace(f'=== "{other}"', f'=== "{one}"')
            bad.write_text(edit.replace("\0", f'=== "{other}"'))
            told = "".join(str(refused) for refused in places.tabbed(bad))
            assert "shows no block that has its name" in told, (one, other)
            exchanged += 1
        assert not places.tabbed(tabs)
    assert exchanged


def test_comments_and_docstrings_of_snippets_are_spelt_right() -> None:
    files = [file for file in SNIPPETS.rglob("*.py") if not file.is_relative_to(SERVICE)]
    if refused := [each for file in sorted(files) for each in spelling.hold(file)]:
        raise RefusedError.of(refused)


def test_a_misspelt_comment_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text('"""A databse.\n\nAn `databse`.\n"""\n\nx = 1  # the tset\n')
    told = [str(refused) for refused in spelling.hold(file)]
    assert [re.findall(r":(\d+): '(\w+)'", each) for each in told] == [
        [("1", "databse")],
        [("6", "tset")],
    ]


def test_no_word_is_listed_that_nothing_needs() -> None:
    listed = re.findall(r'"([^"]+)"', spelling.WORDS.read_text())
    assert listed == sorted(listed, key=str.lower), "the words stand in no order"
    files = [*prose.pages(), ROOT / "README.md", *SNIPPETS.rglob("*.py")]
    said = "\n".join(text for file in files for _, text in spelling.told(file)).lower()
    assert all(re.fullmatch(r"\w+", word) for word in listed)
    words = set(re.findall(r"\w+", said))
    for word in listed:
        if words.isdisjoint({word.lower(), f"{word.lower()}s"}):
            line = next(
                n
                for n, row in enumerate(spelling.WORDS.read_text().splitlines(), 1)
                if f'"{word}"' in row
            )
            raise RefusedError(spelling.WORDS, line, f"nothing says {word!r}", "Remove it")


def test_codespell_finds_nothing() -> None:
    command = ["codespell", "docs", "snippets", "tests", "README.md", "Makefile"]
    for told in subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines():
        file, line, reason = told.split(":", 2)
        raise RefusedError(ROOT / file, int(line), f"codespell: {reason}", "Mend the word")
