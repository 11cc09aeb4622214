"""Which upgrades break a test, found in few runs of it."""

from collections.abc import Callable

import pytest

from tests.fresh import bisect

MANY = [f"p{number:02}" for number in range(60)]


class Planted:
    """A test that some sets of upgrades break; it counts how often it runs."""

    def __init__(self, *broken: set[str], resolves: Callable[[set[str]], bool] | None = None):
        self.broken, self.resolves, self.runs = broken, resolves, 0

    def __call__(self, subset: tuple[str, ...]) -> bool | None:
        if self.resolves and not self.resolves(set(subset)):
            return None
        self.runs += 1
        return not any(each <= set(subset) for each in self.broken)


@pytest.mark.parametrize("name", MANY)
def test_one_break_of_sixty_upgrades_is_found_in_eight_runs(name: str) -> None:
    planted = Planted({name})
    assert bisect.breaks(MANY, planted) == [(name,)]
    assert planted.runs <= 8


def test_two_breaks_of_one_test_are_both_found() -> None:
    for other in MANY[:17] + MANY[18:]:
        found = bisect.breaks(MANY, Planted({"p17"}, {other}))
        assert sorted(found) == sorted([("p17",), (other,)])


def test_two_upgrades_that_break_only_together_are_found() -> None:
    for other in MANY[:17] + MANY[18:]:
        planted = Planted({"p17", other})
        assert bisect.breaks(MANY, planted) == [tuple(sorted(["p17", other]))]
        assert planted.runs <= 17
    assert bisect.breaks(MANY, Planted({"p03", "p30", "p58"})) == [("p03", "p30", "p58")]


def test_subsets_that_do_not_resolve_cost_no_run_and_prove_nothing() -> None:
    together = {f"p{number:02}" for number in range(24, 37)}  # all of them, or none

    def resolves(subset: set[str]) -> bool:
        return not subset & together or together <= subset

    for name in sorted(set(MANY) - together):
        planted = Planted({name}, resolves=resolves)
        assert bisect.breaks(MANY, planted) == [(name,)]
        assert planted.runs <= 10
    planted = Planted({"p30"}, resolves=resolves)
    assert bisect.breaks(MANY, planted) == [tuple(sorted(together))]


def test_a_pair_is_found_where_one_of_it_needs_a_third() -> None:
    planted = Planted({"p10", "p50"}, resolves=lambda some: "p10" not in some or "p40" in some)
    assert bisect.breaks(MANY, planted) == [("p10", "p40", "p50")]


def test_what_fails_without_upgrades_or_not_again_blames_none() -> None:
    red = Planted(set())
    assert bisect.breaks(MANY, red) == [()]
    assert red.runs <= 8
    assert bisect.breaks(MANY, lambda _: True) == []
    assert bisect.breaks([], lambda _: False) == []


def test_what_broke_another_test_is_asked_first() -> None:
    planted = Planted({"p44"})
    assert bisect.breaks(MANY, planted, [("p44",)]) == [("p44",)]
    assert planted.runs == 2
    planted = Planted({"p44"})
    assert bisect.breaks(MANY, planted, [("p43", "p44")]) == [("p44",)]


def test_delta_debugging_ends_with_what_is_needed_and_no_more() -> None:
    for broken in ({"p05"}, {"p05", "p06"}, {"p00", "p31", "p59"}):
        asked = bisect.Asked(MANY, Planted(broken))
        assert bisect.ddmin(tuple(MANY), asked) == tuple(sorted(broken))
