"""What the page on tiers claims."""

import subprocess
import tomllib

import pytest

from tests.engine.pages import DOCS, SNIPPETS
from tests.prove.sentences import sentences

TIERS = tomllib.loads((SNIPPETS / "service/tiers.toml").read_text())


INSTRUCTIONS = [
    "If you don't know the tier of a change, take the larger one.",
]


JUDGEMENTS = [
    "We call the size of a change its tier: it decides which checks the change passes before somebody merges it.",
]


@pytest.mark.holds(
    "XS | a typo, a constant, an import that nobody needs",
    "S | a bug in one handler, a type annotation",
    "M | a new endpoint, a change of a table",
    "L | a new process, another broker, a layer more",
)
def test_the_examples_are_those_of_the_service() -> None:
    examples = {tier: ", ".join(told["examples"]) for tier, told in TIERS["tiers"].items()}
    rows = [one.text for one in sentences(DOCS / "start/tiers.md") if one.kind == "row"]
    assert rows == [f"{tier.upper()} | {said}" for tier, said in examples.items()]


@pytest.mark.holds(
    "Tiers of change",
    "In the service, snippets/service/tiers.toml names the gates of each tier.",
    "Tier XS checks the layout and runs the linter.",
    "Tier S adds types, wiring and the tests of one module, tier M the layers and the suite, tier L the tests that take parts away.",
)
def test_each_tier_adds_gates() -> None:
    gates = [TIERS["tiers"][tier]["gates"] for tier in ("xs", "s", "m", "l")]
    lint, types, layers, survival = map(set, gates)
    assert lint == {"format", "lint"}
    assert types - lint == {"types", "wiring", "module"}
    assert layers - types == {"layers", "suite"}
    assert survival - layers == {"survival"}
    assert "tests/survival" in TIERS["gates"]["survival"]


@pytest.mark.holds("Run the gates of a tier with one command: make xs, make s, make m or make l.")
def test_each_tier_has_its_command() -> None:
    for tier in "make xs", "make s", "make m", "make l":
        command = [*tier.split(), "--dry-run", "READY="]
        done = subprocess.run(
            command, cwd=SNIPPETS / "service", capture_output=True, text=True, check=True
        )
        assert f"dev.gate {tier.removeprefix('make ')}" in done.stdout
