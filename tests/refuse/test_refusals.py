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
    summary = re.findall(r"^(?:FAILED|ERROR) .*", said, re.MULTILINE)
    usage = re.findall(r"^ERROR: .*", said, re.MULTILINE)
    assert len(summary) == 1 or summary == usage == summary[:1], said
    messages = {line.removeprefix("ERROR: ") for line in said.splitlines() if re.search(case.says, line)}
    assert len(messages) == 1, f"no message like {case.says!r} in:\n{said}"
    assert re.match(rf"{re.escape(case.where)}:\d+: .+\. .+\.$", messages.pop()), said
    assert not answer.changed
    ledger = answer.copy / "docs/ledger.json"
    blocks = json.loads(ledger.read_text())["blocks"] if case.block and ledger.exists() else []
    outcomes = [p["outcome"] for b in blocks if b["id"] == case.block for p in b["proofs"]]
    assert "passed" not in outcomes


@pytest.mark.parametrize("case", [case for case in BREAKS if not case.says], ids=lambda case: case.name)
def test_accepted(answer: Answer) -> None:
    assert answer.status == 0, answer.output
    assert not answer.changed
