"""Which tests of the service a session runs for its pages, and what it keeps of them."""

import json
from pathlib import Path

import pytest

from tests.engine.pages import DOCS, RefusedError
from tests.engine.proof import Session
from tests.parts import service
from tests.prove import prose

OUTAGE = "tests/survival/test_a.py::test_an_outage"
SIZES = "tests/survival/test_a.py::test_sizes"
UNIT = "tests/test_b.py::test_it"
PASSED = {"outcome": "passed", "seconds": 0.1}


def test_what_ran_before_the_whole_suite_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite leaves survival tests out, and shown lines may need it after these ran."""
    asked = list[tuple[str, list[str]]]()

    def run(
        home: Path, folder: Path, name: str, *arguments: str, measured: bool = True
    ) -> tuple[int, str]:
        asked.append((name, [*arguments]))
        tests = (
            [UNIT]
            if name == "suite"
            else [f"{SIZES}[1]" if one == SIZES else one for one in arguments]
        )
        told = {"ended": dict.fromkeys(tests, PASSED), "lines": {}}
        (folder / f"{name}.json").write_text(json.dumps(told))
        return 0, ""

    monkeypatch.setattr(service, "pytest_in", run)
    monkeypatch.setattr(service, "left_out", lambda told, wanted: True)
    told = service.some({OUTAGE, SIZES}, set(), {}, shown=True)
    assert told.ended.keys() == {OUTAGE, f"{SIZES}[1]", UNIT}
    assert [name for name, _ in asked] == ["those", "suite"]
    asked.clear()
    told = service.some({OUTAGE, SIZES, UNIT}, None, {}, shown=True)
    assert told.ended.keys() == {OUTAGE, f"{SIZES}[1]", UNIT}
    assert asked[1] == ("left", [OUTAGE, SIZES])


def test_what_a_skipped_test_leaves_unrun_is_skipped_too() -> None:
    page = DOCS / "deploy/image.md"
    block = next(one for one in prose.blocks(page) if one.path.endswith("/test_image.py"))
    session = Session(60, updating=False)
    session.proving[block.path] = {"skipped", "reads the text"}
    session.passed, session.skipped = {"reads the text"}, {"skipped"}
    session.prove(block)
    assert session.entries[block.id]["proofs"][0]["outcome"] == "skipped"
    session.skipped = set()
    with pytest.raises(RefusedError, match="no passing test runs it"):
        session.prove(block)
