"""Bad sentences, and sentences badly held, are refused at the page, at its test, or at both."""

import re

import pytest

from tests.refuse.conftest import Answer
from tests.refuse.edits import Break
from tests.refuse.prose_breaks import CASES

pytestmark = pytest.mark.refusal


@pytest.mark.parametrize(
    ("case", "says"), [pytest.param(case, says, id=case.name) for case, says in CASES]
)
def test_refused(case: Break, says: dict[str, str], answer: Answer) -> None:
    said = re.sub(r"\x1b\[[0-9;]*m", "", answer.output)
    assert bool(answer.status) == bool(says), said
    assert not answer.changed
    for where, told in says.items():
        place = rf"^(?:ERROR: |E +[\w.]+: )?{re.escape(where)}:\d+: "
        assert re.search(rf"{place}.*{told}.*\. .+\.$", said, re.MULTILINE) or not told, said
        assert where in said
