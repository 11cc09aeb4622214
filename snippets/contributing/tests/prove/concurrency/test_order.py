"""What the page on the order of results claims."""

import asyncio
from collections.abc import Callable
from types import ModuleType

import pytest

FOLDER = "concurrency/order"
ORDERS = {"A1": [5, 5, 5], "B2": [7]}

INSTRUCTIONS = [
    "Keep the order of results",
    "Look for an invoice that shows the total of another order.",
    "Read each result from the task that asked for it.",
    "Look at totals: it reads the tasks in the order in which it made them.",
    "Copy fetch_total into a test of your own batch.",
    "Let the first call take longest, and compare the whole result.",
]
JUDGEMENTS = [
    "We call coroutines that you start together a batch.",
]


async def first(snippet: ModuleType) -> int:
    """Return the total that is there first."""
    calls = [snippet.fetch_total(lines) for lines in ORDERS.values()]
    return int(await next(asyncio.as_completed(calls)))


@pytest.mark.holds(
    "Each order has its own total, although the call for B2 ends first.",
    "Don't: pair results as they arrive",
    "asyncio.as_completed gives the first result that is there.",
    "Nothing is raised, and each order gets the total of the other.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/grouped.py",
        pytest.param(
            f"{FOLDER}/mislabelled.py",
            marks=pytest.mark.xfail(  # the shorter order answers first
                strict=True,
                raises=pytest.RaisesExc(
                    AssertionError,
                    match="'A1': 7, 'B2': 15",
                ),
            ),
        ),
    ],
    indirect=True,
)
def test_each_order_has_its_own_total(
    snippet: ModuleType, record_property: Callable[[str, object], None]
) -> None:
    total = asyncio.run(first(snippet))
    ended = next(name for name in ORDERS if sum(ORDERS[name]) == total)
    record_property("says", f"the call for {ended} ends first")
    totals = asyncio.run(snippet.totals(ORDERS))
    assert totals == {"A1": 15, "B2": 7}, totals
