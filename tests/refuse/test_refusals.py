"""Each way to break the playbook is refused, with one message, and changes nothing."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import clock
from tests.parts.copies import copied
from tests.refuse.breaks import BREAKS
from tests.refuse.conftest import Answer
from tests.refuse.edits import Break
from tests.refuse.sections import SECTIONS
from tests.sessions import interrupt

pytestmark = pytest.mark.refusal
LEDGER = "docs/ledger.json"
ENDLESS = """\
def test_that_gives_time_to_interrupt_it() -> None:
    signal, ledger = __import__("signal"), __import__("tests.engine.ledger").engine.ledger
    write = ledger.text

    def impatiently(told: dict[str, object]) -> str:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        return write(told)

    ledger.text = impatiently
    __import__("pathlib").Path("paused").touch()
    signal.pause()
"""


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.recorded] * case.recorded)
        for case in [*BREAKS, *SECTIONS]
        if case.says
    ],
)
def test_refused(case: Break, answer: Answer) -> None:
    assert answer.status != 0, "the suite accepts it"
    said = re.sub(r"\x1b\[[0-9;]*m", "", answer.output)
    reported = re.findall(r"^(?:FAILED |ERROR:? (?! )).*", said, re.MULTILINE)
    assert len(reported) == case.reports, said
    place = rf"^(?:ERROR: |E +\w+: )?{re.escape(case.where)}:\d+: "
    messages = re.findall(rf"{place}.*(?:{case.says}).*\. .+\.$", said, re.MULTILINE)
    assert len(messages) == case.reports, f"no message like {case.says!r} in:\n{said}"
    assert not answer.changed
    ledger = answer.copy / LEDGER
    blocks = json.loads(ledger.read_text())["blocks"] if case.block and ledger.exists() else []
    outcomes = [p["outcome"] for b in blocks if b["id"] == case.block for p in b["proofs"]]
    assert "passed" not in outcomes


@pytest.mark.recorded
@pytest.mark.parametrize("case", [case for case in BREAKS if not case.says])
def test_a_partial_run_updates_its_own_blocks_only(answer: Answer) -> None:
    assert answer.status == 0, answer.output
    assert not answer.changed
    before = json.loads((answer.copy.parent.parent / "pristine" / LEDGER).read_text())
    after = json.loads((answer.copy / LEDGER).read_text())
    ran = "concurrency/timeouts.md"
    kept = [[b for b in each["blocks"] if b["page"] != ran] for each in (before, after)]
    assert kept[0] == kept[1] != []
    runs = {p["run"] for b in after["blocks"] if b["page"] == ran for p in b["proofs"]}
    assert runs == {after["runs"][-1]["id"]}
    assert runs.isdisjoint({run["id"] for run in before["runs"]})


@pytest.mark.recorded
def test_an_interrupted_run_leaves_no_proof(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    begun = ["tests/prove/test_paused.py", "docs/concurrency/blocking.md"]
    command = [sys.executable, "-m", "pytest", "--quiet", *begun]
    sessions = {}
    for number in numbers:
        copy = copied(tmp_path / number.name, ledger=True)
        (copy / "tests/prove/test_paused.py").write_text(ENDLESS)
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        sessions[number] = subprocess.Popen(
            command, cwd=copy, env=environment, stdout=subprocess.DEVNULL
        )
    for number, session in sessions.items():
        clock.wait((tmp_path / number.name / "paused").exists)
        assert not (tmp_path / number.name / LEDGER).exists()  # it takes it away when it begins
        session.send_signal(number)
    for number, session in sessions.items():
        interrupt(session, number)
        assert session.returncode != 0, f"{number.name} is taken for a good end"
        ledger = tmp_path / number.name / LEDGER
        blocks = json.loads(ledger.read_text())["blocks"] if ledger.exists() else []
        proven = {block["page"] for block in blocks}
        assert "concurrency/blocking.md" not in proven
        assert number == signal.SIGKILL or "contributing.md" in proven
