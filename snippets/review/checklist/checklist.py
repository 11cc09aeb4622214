# region imports, and the cure
import sys
import tomllib
from pathlib import Path
from typing import Any

CURE = "End it with a question mark, or let a gate settle it"


# endregion
def vague(file: str, text: str) -> list[str]:
    """Return which lines nobody can answer, and what to do."""
    return [
        f"{file}:{number}: {line.strip(' ,')} asks nothing. {CURE}."
        for number, line in enumerate(text.splitlines(), start=1)
        if line.startswith(" ") and not line.endswith('?",')
    ]


def checklist(
    tiers: dict[str, Any], asks: dict[str, list[str]], tier: str
) -> list[str]:
    """Return the checklist of a tier: one command, and its questions."""
    told, order = tiers["tiers"][tier], list(asks)
    gates = [f"    - {tiers['refuses'][gate]}" for gate in told["gates"]]
    upto = order[: order.index(tier) + 1]
    questions = [f"- [ ] {question}" for one in upto for question in asks[one]]
    if limit := told.get("coverage"):
        gates.append(f"    - tests that run {limit}% of the package, or less")
    end = [f"- Review: {told['review']}", f"- Release: {told['release']}"]
    first = f"- [ ] `make {tier}` passes, and refuses"
    return [first, *gates, *questions, *end]


# region main
def main() -> None:
    for tier in sys.argv[3:]:
        tiers, questions = sys.argv[1:3]
        text = Path(questions).read_text()
        if refused := vague(questions, text):
            sys.exit("\n".join(refused))
        known = tomllib.loads(Path(tiers).read_text())
        print("\n".join(checklist(known, tomllib.loads(text), tier)))


if __name__ == "__main__":
    main()
# endregion
