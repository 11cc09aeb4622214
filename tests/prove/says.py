"""Hold sentences to the words that a run gives.

A test that knows from its run which words a sentence must have records them,
`record_property("says", f"ends with status {ended.returncode}")`. One of the sentences that it
holds has these words, or the sentence that comes nearest is refused. So a sentence and its name in
a test can't be edited alike while the run says something else.
"""

import difflib
from collections.abc import Iterable

import pytest

SAYS = "says"


def recorded(items: Iterable[pytest.Item]) -> list[str]:
    """Return the words that tests recorded, each once."""
    return [*dict.fromkeys(" ".join(each.split()) for each in given(items, SAYS))]


def given(items: Iterable[pytest.Item], name: str) -> list[str]:
    """Return what tests recorded of their runs under a name."""
    return [str(v) for item in items for key, v in item.user_properties if key == name]


def missed(told: list[str], held: list[str]) -> dict[str, str]:
    """Return the words that no sentence has, by the sentence that comes nearest to them."""
    found = dict[str, str]()
    for each in told:
        if not any(each in text for text in held):
            found.setdefault(max(held, key=lambda text: common(each, text)), each)
    return found


def common(told: str, text: str) -> int:
    """Return how many characters two texts have in common, in order."""
    matcher = difflib.SequenceMatcher(None, told, text, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())
