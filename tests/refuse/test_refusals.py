"""Each way to break the playbook is refused, with one message, and changes nothing."""

import json
import re

import pytest

from tests.refuse.breaks import BREAKS, Break
from tests.refuse.conftest import Answer


@pytest.mark.parametrize("case", [case for case in BREAKS if case.says], ids=lambda case: case.name)
def test_refused(case: Break, answer: Answer) -> None:
    assert answer.status != 0, "the suite accepts it"
    said = re.sub(r"\x1b\[[0-9;]*m", "", answer.output)
    reported = re.findall(r"^(?:FAILED |ERROR:? ).*", said, re.MULTILINE)
    assert len(reported) == 1, said
    place = rf"^(?:ERROR: |E +\w+: )?{re.escape(case.where)}:\d+: "
    messages = re.findall(rf"{place}.*(?:{case.says}).*\. .+\.$", said, re.MULTILINE)
    assert len(messages) == 1, f"no message like {case.says!r} in:\n{said}"
    assert not answer.changed
    ledger = answer.copy / "docs/ledger.json"
    blocks = json.loads(ledger.read_text())["blocks"] if case.block and ledger.exists() else []
    outcomes = [p["outcome"] for b in blocks if b["id"] == case.block for p in b["proofs"]]
    assert "passed" not in outcomes


@pytest.mark.parametrize(
    "case", [case for case in BREAKS if not case.says], ids=lambda case: case.name
)
def test_accepted(answer: Answer) -> None:
    assert answer.status == 0, answer.output
    assert not answer.changed
