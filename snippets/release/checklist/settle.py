# region imports
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

# endregion
Lines = dict[str, dict[str, str]]


def settle(name: str, line: dict[str, str]) -> str:
    """Run the command of a line, and return how it ended."""
    command = ["sh", "-euc", line["command"]]
    done = subprocess.run(  # noqa: S603  it runs the commands of our own file
        command, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return f"green {name}"
    said = done.stderr.splitlines()[-1:]
    return "\n      ".join([f"red   {name}: {line['refuses']}", *said])


def checklist(tier: str, tiers: dict[str, Any], lines: Lines) -> list[str]:
    """Return the list of a release, with each line that a command settles."""
    gates = [tiers["refuses"][gate] for gate in tiers["tiers"][tier]["gates"]]
    limit = tiers["tiers"][tier]["coverage"]
    gates.append(f"tests that run {limit}% of the package, or less")
    told = [f"- [ ] `make {tier}` passes, and refuses"]
    told += [f"    - {refused}" for refused in gates]
    told.append("- [ ] `python settle.py lines.toml` passes, and refuses")
    return told + [f"    - {line['refuses']}" for line in lines.values()]


# region main
def main() -> None:
    """Settle the lines of a file, or those of some names."""
    for file in sys.argv[1:2]:
        lines = tomllib.loads(Path(file).read_text())
        told = [settle(name, lines[name]) for name in sys.argv[2:] or lines]
        for each in told or ["red   there is no line to settle"]:
            print(each)
        if not told or any(each.startswith("red") for each in told):
            sys.exit(1)


if __name__ == "__main__":
    main()
# endregion
