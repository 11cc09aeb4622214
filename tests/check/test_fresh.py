"""The watch for newer releases: which upgrades break which test, and what is said of them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.check.test_commands import commit
from tests.engine.pages import ROOT
from tests.fresh import bisect, locks, proofs, texts
from tests.fresh.__main__ import PROJECT, main
from tests.fresh.clone import Environment, Project
from tests.fresh.locks import Lock, Upgrade
from tests.fresh.proofs import Failure
from tests.fresh.watch import Break, Found, look
from tests.parts import clock, registry, wheels
from tests.parts.copies import copied
from tests.service.conftest import shell

MANY = [f"p{number:02}" for number in range(60)]
AWAY = "http://127.0.0.1:9/simple"  # nobody listens there
OLD, YOUNG = timedelta(days=90), timedelta(days=2)


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
    assert bisect.breaks(MANY, lambda _: False) == [()]
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


def test_it_compiles_the_locks_as_make_does() -> None:
    """The words of the recipes are those that are given to uv."""

    def words(text: str) -> list[str]:
        text = re.sub(r"[\\\"';]|&&|--quiet|--upgrade", " ", text).replace(
            "$(SERVICE)", "/".join(SERVED)
        )
        return text.split()

    SERVED = ("snippets", "service")
    ours = [
        [*locks.COMPILE, *locks.NAMED, "--output-file", lock.file, *lock.sources]
        for lock in PROJECT.locks
    ]
    told = [sorted(word for part in each for word in part.split()) for each in ours]
    recipe = re.search(
        r"uv pip compile (.*?)\n\t\$\(MAKE\)", (ROOT / "Makefile").read_text(), re.DOTALL
    )
    service = (ROOT / "snippets/service/Makefile").read_text()
    start = re.search(r'compile="\$\(BIN\)/uv pip compile (.*?)";', service, re.DOTALL)
    each = re.findall(r'eval "\$\$compile (.*?)"(?: &&|\n)', service, re.DOTALL)
    assert recipe and start and len(each) == 3
    theirs = [*(f"{start[1]} {one}" for one in each), recipe[1]]
    assert told == [sorted(words(one)) for one in theirs]
