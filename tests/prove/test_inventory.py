"""Each row of the source guide's inventory has its place on a page."""

import collections
import re

import pytest

from tests.engine.pages import DOCS
from tests.prove import account

ROWS = account.rows()
SECTIONS = {  # rows of the sections that have their chapter
    "1.1": 6,
    "1.2": 1,
    "1.3": 1,
    "2.1": 5,
    "2.2": 1,
    "3.1": 7,
    "3.2": 3,
    "3.3": 1,
    "3.4": 1,
    "4.1": 1,
    "4.2": 8,
    "4.3": 4,
    "4.4": 4,
    "5.1": 1,
    "5.2": 3,
    "5.3": 5,
    "5.4": 2,
    "6.1": 7,
    "6.2": 2,
    "7": 20,
    "8.1": 2,
    "8.2": 1,
    "8.3": 1,
    "9.1": 1,
    "9.2": 1,
    "9.3": 1,
    "10.1": 14,
    "10.2": 1,
    "10.3": 5,
    "integration": 6,
    "intro": 2,
    "structure": 1,
    "tiers": 8,
}


@pytest.mark.parametrize("row", ROWS)
def test_the_row_has_its_place(row: str) -> None:
    place = ROWS[row]
    page = DOCS / place["page"]
    headings = re.findall(r"^#+ (.+)", page.read_text(), re.MULTILINE) if page.exists() else []
    if place["heading"] not in headings:
        reason = f"{row} names {place['heading']!r} on docs/{place['page']}, which isn't there"
        raise account.refuse(row, reason, "Name the heading where its topic went")
    test, name = account.test_of(place)
    if not test.exists() or f"def {name}(" not in test.read_text():
        reason = f"{row} names the test {place['test']}, which isn't there"
        raise account.refuse(row, reason, "Name the test that shows what is said of it")
    assert place["state"] in ("kept", "corrected", "replaced", "dropped")
    assert place["topic"]


def test_no_row_of_a_section_is_left_out() -> None:
    assert collections.Counter(place["section"] for place in ROWS.values()) == SECTIONS
    parts = {row for row in ROWS if row[-1].islower()}
    assert {row[:-1] for row in parts} <= set(ROWS), "a part stands without its whole"
