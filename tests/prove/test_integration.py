"""The commands of related playbooks, each with the pages that cover its topic."""

import pytest

from tests.engine.pages import DOCS
from tests.prove import account
from tests.prove.sentences import LINK, sentences

PAGE = DOCS / "integration.md"
COMMANDS = [
    "/pb-guide",
    "/pb-preamble",
    "/pb-patterns-core",
    "/pb-patterns-async",
    "/pb-performance",
    "/pb-testing",
    "/pb-deployment",
]


INSTRUCTIONS = [
    "Find here what the related playbooks cover",
    "Read this table if you know the other playbooks by their commands: it leads to the pages that cover their topics here.",
    "See what became of each topic of the Python guide in the Engineering Playbook.",
]


@pytest.mark.holds(
    "/pb-guide | the way of a change, from its scope to its merge | Name the tier of a change, Write a scope that a check can hold",
    "/pb-preamble | how people work together on a change | Read a change for what no tool sees",
    "/pb-patterns-core | the architecture of a service | Put each line of code into its layer",
    "/pb-patterns-async | what runs at the same time | Choose how code runs by what it waits for",
    "/pb-performance | how fast, and at what cost | Write a performance budget that a run can break",
    "/pb-testing | strategies of tests | Test a use case without its database",
    "/pb-deployment | releases, and the machines that they run on | Start the service with the right server and limits, Check each line of a release with a command",
)
def test_each_command_has_its_pages() -> None:
    rows = [one for one in sentences(PAGE) if one.kind == "row"]
    assert [one.text.partition(" | ")[0] for one in rows] == COMMANDS
    topics = {one["topic"] for one in account.rows().values()}
    for row in rows:
        assert LINK.findall(row.markdown), row.text
        assert f"the command {row.text.split()[0]}" in topics, row.text
