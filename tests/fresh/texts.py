"""The text of a pull request, or of an issue: a title, an empty line, and Markdown."""

import re
from collections.abc import Iterable

from tests.fresh.locks import Upgrade
from tests.fresh.proofs import Failure
from tests.fresh.watch import Break, Found

ROOM = 30_000  # characters of a diff: hosts limit a text to about twice that
MOST = 30  # failures of one cause that are told in full


def text(found: Found) -> str:
    """Return the text that fits what was found."""
    return issue(found) if found.red else request(found)


def request(found: Found) -> str:
    """Return the text of a pull request: what is newer, and what the pages show now."""
    lines = [
        f"Upgrade {counted(len(found.upgrades), 'package')}",
        "",
        f"All proofs hold with the newest releases of {found.day:%Y-%m-%d}. {rest(found)}",
        "",
        "## Upgrades",
        "",
        *table(found.upgrades),
        "",
        "## What the pages show now",
        "",
    ]
    if not found.shown:
        return "\n".join([*lines, "The same as before.", ""])
    shown = found.shown[:ROOM].rstrip("\n")
    cut = ["", "The diff is longer: see the commit."] if len(found.shown) > ROOM else []
    return "\n".join([*lines, *fenced(shown, "diff"), *cut, ""])


def issue(found: Found) -> str:
    """Return the text of an issue: which upgrades break which page, and how."""
    number = counted(len(found.upgrades), "upgrade")
    lines = [title(found), "", f"Of {number} on {found.day:%Y-%m-%d}, these break proofs."]
    if not found.breaks:
        lines[-1] = f"With {number} on {found.day:%Y-%m-%d}, proofs failed. No upgrade is blamed."
    lines += [rest(found), ""]
    for one in found.breaks:
        lines += [f"## {named(one)}", "", *causes(one), "", *told(one.failures)]
    for heading, failures in (
        ("Fails without any upgrade", found.before),
        ("Failed once, and held when it ran alone", found.once),
        ("Not looked into, for the time was over", found.unasked),
    ):
        if failures:
            lines += [f"## {heading}", "", *told(failures)]
    return "\n".join([*lines, "## All upgrades", "", *table(found.upgrades), ""])


def title(found: Found) -> str:
    """Return a title that is the same as long as the breaks are."""
    if found.breaks:
        return "Broken by " + ", and by ".join(named(one) for one in found.breaks)
    return "Proofs fail, and no upgrade is to blame"


def named(one: Break) -> str:
    """Return the upgrades of a break in words."""
    return " with ".join(str(upgrade) for upgrade in one.upgrades)


def causes(one: Break) -> list[str]:
    """Say how the upgrades were found, and what came with them."""
    each = "It breaks" if len(one.upgrades) == 1 else "Neither alone, but together they break"
    if len(one.upgrades) > 2:
        each = "Only all together they break"
    lines = [f"{each} what follows; without, it holds."]
    if one.along:
        lines.append(f"What came along: {', '.join(map(str, one.along))}.")
    if any(failure.warns for failure in one.failures):
        lines.append(
            "The message is a warning of a break to come: in these tests, warnings are errors."
        )
    return lines


def told(failures: list[Failure]) -> list[str]:
    """Return where each failure is, and its message; equal messages are told once."""
    lines, seen = [], dict[str, str]()
    for failure in failures[:MOST]:
        place = failure.place or failure.unit
        lines += [f"- `{place}`: `{failure.item}`"]
        if failure.message in seen:
            lines += [f"  The message is that of `{seen[failure.message]}`.", ""]
        else:
            seen[failure.message] = place
            lines += ["", *(f"  {line}".rstrip() for line in fenced(failure.message, "text")), ""]
    more = len(failures) - MOST
    return [*lines, *([f"And {more} more.", ""] if more > 0 else [])]


def rest(found: Found) -> str:
    """Say which releases were taken."""
    if found.cooldown:
        return f"None of them is younger than {counted(found.cooldown, 'day')}."
    return "They may be of any age: there was no cooldown."


def table(upgrades: Iterable[Upgrade]) -> list[str]:
    """Return a table of upgrades."""
    rows = [f"| {one.name} | {one.old or 'none'} | {one.new or 'none'} |" for one in upgrades]
    return ["| Package | From | To |", "|---|---|---|", *rows]


def fenced(text: str, language: str) -> list[str]:
    """Return a text as a block that no line of it ends, and in which no name notifies anyone."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *text.splitlines(), fence]


def counted(number: int, thing: str) -> str:
    """Return a number of things in words."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
