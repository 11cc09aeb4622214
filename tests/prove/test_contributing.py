"""What the page on contributing shows."""

import pytest

from tests.engine.pages import DOCS
from tests.prove import prose


@pytest.mark.proves("contributing/fence.md")
def test_the_fence_stands_on_its_page() -> None:
    (fence,) = (
        block for block in prose.blocks(DOCS / "contributing.md") if block.language == "markdown"
    )
    assert fence.text in (DOCS / "concurrency/timeouts.md").read_text()
