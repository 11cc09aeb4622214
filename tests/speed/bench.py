"""Measure what the proof of a block costs beyond its own run, and hold it to a limit.

The whole session counts: start, types, lint, output and coverage of 200 short blocks. A block's own
run is what a reader does with it: `python block.py`, in a process of its own.
Run it as `python -m tests.speed.bench`.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.speed.generate import SHORT, generate

PAGES, BLOCKS, ROUNDS = 20, 10, 3
LIMIT = 15.0  # milliseconds a block
SESSION = ["-m", "pytest", "--quiet", "docs/generated", "tests/prove/generated"]


def python(copy: Path, *arguments: str) -> float:
    """Run Python in a copy and return the seconds that it took."""
    command, started = [sys.executable, *arguments], time.perf_counter()
    done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return time.perf_counter() - started


def main() -> int:
    """Print the figures; return 1 when a block costs more than the limit, else 0."""
    cold, warm, own = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        generate(copy, PAGES, BLOCKS, SHORT)
        blocks = sorted(copy.glob("snippets/generated/*/*.py"))
        for _ in range(ROUNDS):
            shutil.rmtree(copy / ".mypy_cache", ignore_errors=True)
            cold.append(python(copy, *SESSION))
            warm.append(python(copy, *SESSION))
            own.append(sum(python(copy, str(file)) for file in blocks))
    run = statistics.median(own)
    print(f"{PAGES * BLOCKS} blocks, run one by one: {run:.2f} s")
    for name, walls in (("warm", warm), ("cold", cold)):
        wall = statistics.median(walls)
        cost = (wall - run) / (PAGES * BLOCKS) * 1000
        print(f"proven, mypy {name}: {wall:.2f} s; a block costs {cost:.1f} ms of {LIMIT:g} ms")
    return cost > LIMIT


if __name__ == "__main__":
    sys.exit(main())
