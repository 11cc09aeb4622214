"""The bad contributions to sentences and their form, made to the sample page of Contributing."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.prove import holding
from tests.prove.steps import steps, take
from tests.refuse.edits import ITS_TEST, NEW, Break, append, both, edit

Breaking = Callable[[Path], object]
CASES: list[tuple[Break, dict[str, str]]] = []  # what each file is refused for
OTHER = """

@pytest.mark.holds("Each order has its own total, although the call for B2 ends first.")
{}def test_another() -> None:
    assert {}
"""
WRITTEN = """

def test_a_figure(record_property: object) -> None:
    record_property("figure", "3 calls")
    assert asyncio
"""
SKIPPED = '@pytest.mark.{}("no time")\n'.format("skip")


def sample(copy: Path) -> None:
    """Take the steps of the page on contributing, and record what the test asserts."""
    for block, place in steps():
        if place:
            take(block, copy / place)
    written(copy)
    holding.record(copy / ITS_TEST)


def written(copy: Path) -> None:
    """Write what the update run of the walk writes."""
    bad = "concurrency/order/mislabelled"
    shown = f'{bad}.py" hl_lines="13-15"\n--8<-- "{bad}.py"\n```\n\n'
    shown += f'```text title="{bad}.fails.out"\n--8<-- "{bad}.fails.out"\n```'
    edit(NEW, f'{bad}.py"\n--8<-- "{bad}.py"\n```', shown)(copy)
    seen = copy / f"snippets/contributing/snippets/{bad}.fails.out"
    shutil.copy(seen, copy / f"snippets/{bad}.fails.out")


def case(name: str, *breakings: Breaking, **says: str) -> None:
    """Add a case: what is broken, and what is said of the page and of its test."""
    places = {NEW if where == "page" else ITS_TEST: told for where, told in says.items()}
    CASES.append((Break(name, both(sample, *breakings), arguments=(NEW,)), places))


def on_page(old: str, new: str) -> Breaking:
    """Return an edit of the page."""
    return edit(NEW, old, new)


def in_test(old: str, new: str) -> Breaking:
    """Return an edit of its test."""
    return edit(ITS_TEST, old, new)


def exchange(copy: Path) -> None:
    """Exchange the two blocks under their sentences."""
    page = copy / NEW
    text = page.read_text().replace("grouped", "\0").replace("mislabelled", "grouped")
    page.write_text(text.replace("\0", "mislabelled"))


case("the sample itself")
# Sentences and what holds them
case(
    "claim of a sentence that isn't there",
    on_page("Nothing is raised, and", "No error is raised, and"),
    page="nothing holds this sentence: 'No error is raised",
    test="does not say 'Nothing is raised.*the nearest stands on line",
)
case(
    "sentence nobody holds",
    on_page("## Check", "The loop keeps the order.\n\n## Check"),
    page="nothing holds this sentence: 'The loop keeps the order.'",
)
case(
    "instruction that is none",
    in_test("INSTRUCTIONS = [", 'INSTRUCTIONS = [\n    "The loop keeps the order.",'),
    on_page("## Check", "The loop keeps the order.\n\n## Check"),
    page="this is no instruction: 'The loop keeps the order.'",
)
case(
    "judgement that is none",
    in_test("JUDGEMENTS = [", 'JUDGEMENTS = [\n    "The loop keeps the order.",'),
    on_page("## Check", "The loop keeps the order.\n\n## Check"),
    page="this is no judgement: 'The loop keeps the order.'",
)
case(
    "sentence held by a test that fails", append(ITS_TEST, OTHER.format("", "not asyncio")), test=""
)
case(
    "sentence held by a test that is skipped",
    append(ITS_TEST, OTHER.format(SKIPPED, "asyncio")),
    test="test_another holds 'Each order.*but it was skipped",
)
case(
    "sentence held by a test that asserts nothing",
    append(ITS_TEST, OTHER.format("", "asyncio").replace("assert asyncio", "print(asyncio)")),
    test="test_another holds 'Each order.*but it asserts nothing",
)
case(
    "weakened assertion",
    in_test('    record_property("says", f"the call for {ended} ends first")\n', ""),
    test="test_each_order_has_its_own_total no longer asserts",
)
case(
    "declared failure that says less",
    in_test("'A1': 7, 'B2': 15", "'A1': 7"),
    test="test_each_order_has_its_own_total no longer asserts",
)
case(
    "figure replaced in sentence and mark alike",
    on_page("although the call", "although 9 times the call"),
    in_test("although the call", "although 9 times the call"),
    page="give no figure '9 times'",
)
case(
    "order turned round in sentence and mark alike, and the run knows it",
    on_page("`B2` ends", "`A1` ends"),
    in_test("call for B2 ends", "call for A1 ends"),
    page="the run says 'the call for B2 ends first', and this doesn't: 'Each order",
)
case(
    "name replaced in sentence and mark alike",
    on_page("`asyncio.as_completed` gives", "`asyncio.wait` gives"),
    in_test("asyncio.as_completed gives", "asyncio.wait gives"),
    page="knows no `asyncio.wait`",
)
case(
    "figure that is written and not measured",
    append(ITS_TEST, WRITTEN),
    test="the figure '3 calls' is written, and not measured",
)
case(
    "test that is gone",
    in_test("def test_each_order_has_its_own_total(", "def test_another("),
    test="test_each_order_has_its_own_total is there no more",
)
case(
    "link to another heading of the right page",
    on_page("(fanout.md)", "(fanout.md#in-your-code)"),
    page="'Limit how many tasks run at once' does not name fanout.md#in-your-code",
)
case("blocks exchanged under their sentences", exchange, page="but it stands under")
case(
    "match of anything",
    in_test("match=\"'A1': 7, 'B2': 15\"", 'match=".*"'),
    test="matches the empty string",
)
case(
    "two tests of one name",
    append(ITS_TEST, "\n\ndef test_each_order_has_its_own_total() -> None:\n    assert asyncio\n"),
    test="two functions are called test_each_order",
)
# The form of a page
case("page without a rule", on_page("## The rule\n\n", ""), page="no section 'The rule'")
case(
    "page without Check",
    on_page("## Check", "## Compare the whole result"),
    page="no section 'Check'",
)
case("page without See also", on_page("## See also\n\n", ""), page="no section 'See also'")
case(
    "section out of order",
    on_page("## Check", "## Why\n\nCopy it.\n\n## In your code\n\nCopy it.\n\n## Check"),
    page="'In your code' stands below 'Why'",
)
case(
    "refused pattern",
    on_page("Nothing is raised, and", "Who reads them first gets"),
    page="the subject is a riddle",
)
case("misspelt word", on_page("Nothing is raised", "Nothing is rased"), page="'rased' is misspelt")
case(
    "link to the wrong page",
    on_page("(fanout.md)", "(streaming.md)"),
    page="'Limit how many tasks run at once' does not name streaming.md",
)
