"""What the page on drawing says of the pictures."""

import json
import re
from pathlib import Path

import pytest

from tests.engine import pages
from tests.engine.pages import DOCS, ROOT, RefusedError
from tests.parts import pictures
from tests.prove import prose

INSTRUCTIONS = [
    "Write an empty object in place of the data and run make update to record it anew, then look at the picture.",
]
PICTURES = [(page, file) for page in prose.pages() for _, file in prose.pictures(page)]


@pytest.mark.holds("These functions draw the pictures of the site, from data that a test records.")
def test_each_picture_is_held_against_data_and_functions() -> None:
    assert PICTURES or not (DOCS / "service.md").exists()
    for page, picture in PICTURES:
        name = picture.stem
        assert json.loads(picture.with_suffix(".json").read_text())
        test = (ROOT / pages.test_of(page)).read_text()
        for call in ("hold_data", "hold_picture"):
            assert re.search(rf"pictures\.{call}\(\s*f?\"[^\"]*\b{name}\"", test), (page, call)
        sources = [test, *(file.read_text() for file in picture.parent.glob("*.py"))]
        assert any("from snippets.drawing import" in source for source in sources), page


def test_empty_data_is_recorded_and_a_shape_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pictures, "SNIPPETS", tmp_path)
    data = tmp_path / "loads.json"

    def held(text: str, updating: bool = True) -> dict[str, int]:
        data.write_text(text)
        wanted = {"calls": True}
        pictures.hold_data("loads", {"calls": 7}, calls, wanted, updating)
        return dict(json.loads(data.read_text()))

    def calls(run: dict[str, int]) -> dict[str, bool]:
        return {"calls": run["calls"] > 0}

    assert held("{}") == held('{"calls": 0}') == {"calls": 7}
    assert held('{"calls": 9}') == held('{"calls": 9}', updating=False) == {"calls": 9}
    with pytest.raises(RefusedError, match="the data is stale"):
        held('{"calls": 0}', updating=False)
