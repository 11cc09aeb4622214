"""The account of the guide that this playbook started from: each row is there, and held."""

import re

import pytest

from tests.engine.pages import DOCS, RefusedError
from tests.prove import account
from tests.prove.claims import ACCOUNT
from tests.prove.sentences import sentences

INSTRUCTIONS = [
    "See what became of the guide that this playbook started from",
    'Read "corrected" as: a run showed that the guide was wrong there, or left out what you need.',
    'Read "kept" as: the run showed what the guide said.',
    'Read "replaced" as: other pages do its work here.',
]
JUDGEMENTS = [
    "We would trust no guide whose blocks nobody runs, and this playbook started from such a guide.",
]


@pytest.mark.holds(
    "The tables name each of its topics, and lead to the place where you find it today.",
    "Each row quotes a sentence of that place, and a test there holds it.",
)
def test_each_row_quotes_what_a_test_holds() -> None:
    if refused := [*account.hold()]:
        raise RefusedError.of(refused)
    rows = [one for one in sentences(ACCOUNT) if one.kind == "row"]
    assert len(rows) == len(account.rows())
    told = {re.split(r"[#)]", row.markdown.rpartition("](")[2])[0] for row in rows}
    assert told == {row["page"] for row in account.rows().values()}
    for row in rows:
        page = DOCS / re.split(r"[#)]", row.markdown.rpartition("](")[2])[0]
        quote = row.text.split(" | ")[2]
        said = [one.text.replace(" | ", ": ").rstrip(":") for one in sentences(page)]
        assert quote in said, row.text


def test_a_row_whose_test_holds_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = account.rows()["B02"] | {"test": "test_environment.py::test_nothing"}
    monkeypatch.setattr(account, "rows", lambda: {"B02": nowhere})
    told = [str(each) for each in account.hold()]
    assert len(told) == 1
    assert (
        "test_environment.py::test_nothing holds no sentence of docs/start/environment.md"
        in told[0]
    )
