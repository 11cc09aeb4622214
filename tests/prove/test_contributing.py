"""What the page on contributing shows."""

import pytest

from tests.engine import prose
from tests.engine.pages import DOCS


@pytest.mark.proves("contributing/fence.md")
def test_the_fence_stands_on_its_page() -> None:
    (fence,) = (
        block
        for block in prose.blocks(DOCS / "contributing.md")
        if block.language == "markdown"
    )
    assert fence.text in (DOCS / "concurrency/timeouts.md").read_text()
