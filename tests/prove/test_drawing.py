"""What the page on drawing says of the pictures."""

import json
import re
from pathlib import Path

import pytest

from tests.engine import pages
from tests.engine.pages import ROOT, SNIPPETS
from tests.prove import prose

INSTRUCTIONS = [
    "Run make update to record the data anew, then look at the picture.",
]
PICTURES = [(page, file) for page in prose.pages() for _, file in prose.pictures(page)]


@pytest.mark.holds("These functions draw the pictures of the site, from data that a test records.")
@pytest.mark.parametrize(("page", "picture"), PICTURES, ids=lambda path: path.name)
def test_each_picture_is_held_against_data_and_functions(page: Path, picture: Path) -> None:
    stem = picture.relative_to(SNIPPETS).with_suffix("")
    assert json.loads(picture.with_suffix(".json").read_text())
    test = (ROOT / pages.test_of(page)).read_text()
    for call in ("hold_data", "hold_picture"):
        assert re.search(rf"pictures\.{call}\(\s*f?\"[^\"]*\b{stem.name}\"", test), (
            f"{pages.test_of(page)} has no {call}"
        )
    sources = [test, *(file.read_text() for file in picture.parent.glob("*.py"))]
    assert any("from snippets.drawing import" in source for source in sources)
