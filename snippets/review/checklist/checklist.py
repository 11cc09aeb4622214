# region imports, the cure, and the line of a question
import sys
import tomllib
from pathlib import Path
from typing import Any

CURE = "End it with a question mark, or let a gate settle it"


def place(text: str, question: str) -> int:
    """Return the line of a question, or the last line of the file."""
    return text.rstrip().partition(f'"{question}"')[0].count("\n") + 1


# endregion
def vague(file: str, text: str) -> list[str]:
    """Return which lines nobody can answer, and what to do."""
    asked = [one for tier in tomllib.loads(text).values() for one in tier]
    return [
        f'{file}:{place(text, one)}: "{one}" asks nothing. {CURE}.'
        for one in asked or [""]
        if not one.endswith("?")
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
    for questions in sys.argv[2:3]:
        text = Path(questions).read_text()
        if refused := vague(questions, text):
            sys.exit("\n".join(refused))
        known = tomllib.loads(Path(sys.argv[1]).read_text())
        for tier in sys.argv[3:]:
            print("\n".join(checklist(known, tomllib.loads(text), tier)))


if __name__ == "__main__":
    main()
# endregion
