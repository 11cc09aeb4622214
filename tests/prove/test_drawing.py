"""What the page on drawing says of the pictures."""

import json
import re

import pytest

from tests.engine import pages
from tests.engine.pages import DOCS, ROOT
from tests.prove import prose

INSTRUCTIONS = [
    "Run make update to record the data anew, then look at the picture.",
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
