"""Measure what the proof of a block costs beyond its own run, and hold it to a limit.

The whole session counts: start, types, lint, output and coverage of 200 short blocks.
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
PLAIN = """
import pathlib, runpy, time
files = sorted(pathlib.Path("snippets/generated").rglob("*.py"))
started = time.perf_counter()
for file in files:
    runpy.run_path(str(file), run_name="__main__")
print(time.perf_counter() - started)
"""


def python(copy: Path, *arguments: str) -> tuple[float, str]:
    """Run Python in a copy; return the seconds that it took and the last line that it wrote."""
    command, started = [sys.executable, *arguments], time.perf_counter()
    done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return time.perf_counter() - started, done.stdout.splitlines()[-1]


def main() -> int:
    """Print the figures; return 1 when a block costs more than the limit, else 0."""
    cold, warm, own = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        generate(copy, PAGES, BLOCKS, SHORT)
        for _ in range(ROUNDS):
            shutil.rmtree(copy / ".mypy_cache", ignore_errors=True)
            cold.append(python(copy, *SESSION)[0])
            warm.append(python(copy, *SESSION)[0])
            own.append(float(python(copy, "-c", PLAIN)[1]))
    run = statistics.median(own)
    print(f"{PAGES * BLOCKS} blocks, run plainly: {run:.2f} s")
    for name, walls in (("warm", warm), ("cold", cold)):
        wall = statistics.median(walls)
        cost = (wall - run) / (PAGES * BLOCKS) * 1000
        print(f"proven, mypy {name}: {wall:.2f} s; a block costs {cost:.1f} ms of {LIMIT:g} ms")
    return cost > LIMIT


if __name__ == "__main__":
    sys.exit(main())
