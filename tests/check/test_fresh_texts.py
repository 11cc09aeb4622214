"""What is said of upgrades: the text of an issue, or of a pull request."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.fresh import texts
from tests.fresh.locks import Upgrade
from tests.fresh.proofs import Failure
from tests.fresh.watch import Break, Found

FAILED = Failure(
    "tests/prove/testing/test_fixtures.py::test_an_unmarked_test_is_skipped",
    "docs/testing/fixtures.md",
    "docs/testing/fixtures.md:12",
    "Failed: async def functions are not natively supported.",
)
PYTEST = Upgrade("pytest", "7.4.3", "9.2.0")
LOOP = Upgrade("pytest-asyncio", "0.20.3", "0.21.1")


def planted(**fields: list[Break] | list[Failure]) -> Found:
    """Return what a run finds that meets pytest 9, which fails what pytest 7 skipped."""
    upgrades = [Upgrade("iniconfig", "2.0.0", "2.3.0"), PYTEST, LOOP]
    return Found(datetime(2026, 11, 26, tzinfo=UTC), 7, upgrades, **fields)  # type: ignore[arg-type]  # by name


def test_an_issue_names_the_sentence_the_upgrade_and_the_message() -> None:
    along = [Upgrade("pluggy", "1.3.0", "1.6.0")]
    said = texts.text(planted(breaks=[Break([PYTEST], along, [FAILED])]))
    assert said.splitlines()[:3] == [
        "Broken by pytest 7.4.3 → 9.2.0",
        "",
        "Of 3 upgrades on 2026-11-26, these break proofs.",
    ]
    for part in (
        f"- `{FAILED.place}`: `{FAILED.item}`",
        f"  ```text\n  {FAILED.message}\n  ```",
        "It breaks what follows; without, it holds.",
        "What came along: pluggy 1.3.0 → 1.6.0.",
        "| iniconfig | 2.0.0 | 2.3.0 |",
        "None of them is younger than 7 days.",
    ):
        assert part in said, part
    assert "a warning of a break to come" not in said


def test_an_issue_tells_two_breaks_apart_and_a_pair_together() -> None:
    other = replace(FAILED, item="tests/test_b.py::test_b", place="tests/test_b.py:3")
    apart = texts.text(planted(breaks=[Break([PYTEST], [], [FAILED]), Break([LOOP], [], [other])]))
    assert apart.startswith(f"Broken by {PYTEST}, and by {LOOP}\n")
    assert apart.index(f"## {PYTEST}") < apart.index(FAILED.item) < apart.index(f"## {LOOP}")
    assert apart.index(f"## {LOOP}") < apart.index(other.item)
    assert apart.count(FAILED.message) == 2
    both = texts.text(planted(breaks=[Break([PYTEST, LOOP], [], [FAILED, other])]))
    assert both.startswith(f"Broken by {PYTEST} with {LOOP}\n")
    assert "Neither alone, but together they break what follows" in both
    assert both.count(FAILED.message) == 1
    assert f"The message is that of `{FAILED.place}`." in both


def test_an_issue_blames_no_upgrade_for_what_fails_without_or_once() -> None:
    for fields, heading in (
        ({"before": [FAILED]}, "Fails without any upgrade"),
        ({"once": [FAILED]}, "Failed once"),
        ({"unasked": [FAILED]}, "Not looked into"),
    ):
        said = texts.text(planted(**fields))
        assert said.startswith("Proofs fail, and no upgrade is to blame\n")
        assert "No upgrade is blamed." in said and f"## {heading}" in said
        assert FAILED.place in said and "It breaks" not in said


def test_a_text_stays_within_what_a_host_takes_and_ends_no_block() -> None:
    many = [
        replace(FAILED, item=f"t{n}", message=f"````\n@all {n}" + "x" * 1400) for n in range(99)
    ]
    said = texts.text(planted(breaks=[Break([PYTEST], [], many)]))
    assert len(said) < 65_000 and "And 69 more." in said
    assert said.count("\n  `````text\n") == said.count("\n  `````\n") == 30
    green = planted()
    green.shown = "+x\n" * 50_000
    said = texts.text(green)
    assert len(said) < 65_000 and "The diff is longer: see the commit." in said
