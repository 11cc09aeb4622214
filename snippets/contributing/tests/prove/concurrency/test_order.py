"""What the page on the order of results claims."""

import asyncio
from types import ModuleType

import pytest


@pytest.mark.parametrize(
    "snippet",
    [
        "concurrency/order/gathered.py",
        pytest.param(
            "concurrency/order/mislabelled.py",
            marks=pytest.mark.xfail(  # the shorter word answers first
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="'orange': 3"),
            ),
        ),
    ],
    indirect=True,
)
def test_each_word_has_its_own_length(snippet: ModuleType) -> None:
    lengths = asyncio.run(snippet.lengths(["orange", "fig"]))
    assert lengths == {"orange": 6, "fig": 3}, lengths
