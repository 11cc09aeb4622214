"""Measure what the proof of a block costs beyond its own run, and hold it to a limit.

The whole session counts: start, types, lint, output and coverage of 200 short blocks. A block's own
run is what a reader does with it: `python block.py`, in a process of its own.

Processor time is measured, not what the machine does beside it. What shares its caches and its
clock rate still slows it, so each session is paired with a control of the same moment: half of the
blocks are run by themselves just before it, half just after. The differences are compared.
Run it as `python -m tests.speed.bench`.
"""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.speed.generate import SHORT, generate

PAGES, BLOCKS, ROUNDS = 20, 10, 5
LIMIT = 15.0  # milliseconds of processor time a block
SESSION = ["-m", "pytest", "--quiet", "docs/generated", "tests/prove/generated"]


def spent() -> float:
    """Return the seconds of processor time that all processes used which this one has awaited."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(copy: Path, *arguments: str) -> float:
    """Run Python in a copy and return the seconds of processor time that it took."""
    command, before = [sys.executable, *arguments], spent()
    done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return spent() - before


def paired(copy: Path, files: list[Path]) -> tuple[float, float]:
    """Return the seconds that a session takes, and those of the blocks by themselves beside it."""
    own = sum(python(copy, str(file)) for file in files[::2])
    session = python(copy, *SESSION)
    return session, own + sum(python(copy, str(file)) for file in files[1::2])


def main() -> int:
    """Print the figures; return 1 when a block costs more than the limit, else 0."""
    rounds: dict[str, list[tuple[float, float]]] = {"warm": [], "cold": []}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        generate(copy, PAGES, BLOCKS, SHORT)
        files = sorted(copy.glob("snippets/generated/*/*.py"))
        for _ in range(ROUNDS):
            shutil.rmtree(copy / ".mypy_cache", ignore_errors=True)
            rounds["cold"].append(paired(copy, files))
            rounds["warm"].append(paired(copy, files))
    costs = []
    for name, pairs in rounds.items():
        session, own = (statistics.median(times) for times in zip(*pairs, strict=True))
        each = [(proven - run) / len(files) * 1000 for proven, run in pairs]
        costs.append(statistics.median(each))
        print(
            f"{len(files)} blocks: {own:.2f} s of the processor by themselves, {session:.2f} s"
            f" proven, mypy {name}; a block costs {costs[-1]:.1f} ms of {LIMIT:g} ms"
            f" ({min(each):.1f} to {max(each):.1f} in {ROUNDS} rounds)"
        )
    return max(costs) > LIMIT


if __name__ == "__main__":
    sys.exit(main())
