"""Install pins of 2023 anew, and record what becomes of them.

It needs a registry, so no test runs it: `python -m tests.watch.pins PYTHON` writes the record that
the page on dependencies tells of, with the day, and with `--check` it ends red where the record is
another one.
"""

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

RECORD = Path(__file__).with_suffix(".out")
UV = str(Path(sys.executable).with_name("uv"))
PINS = """\
fastapi==0.104.0
sqlalchemy==2.0.23
celery==5.3.4
pytest==7.4.3
pytest-asyncio==0.21.1
black==23.11.0
mypy==1.7.0
"""
TEST = "async def test_total():\n    assert False\n"
STEPS = {  # as a reader types them, and as they run in the new environment
    "cat pins.txt": ["cat", "pins.txt"],
    "python --version": ["{python}", "--version"],  # without its last number
    "uv pip install -r pins.txt": [UV, "pip", "install", "--python={python}", "-r", "pins.txt"],
    "uv pip check": [UV, "pip", "check", "--python={python}"],
    'python -c "import sqlalchemy"': ["{python}", "-c", "import sqlalchemy"],
    "cat test_orders.py": ["cat", "test_orders.py"],
    "pytest -q test_orders.py": ["{python}", "-m", "pytest", "-q", "test_orders.py"],
}
QUIET = ("uv pip install",)  # it lists what the day offers

SET = re.compile(r"\{('[^{}]*')\}")  # it has another order in each run
PATCH = re.compile(r"^(Python \d+\.\d+)\.\d+$")


def sorted_set(found: re.Match[str]) -> str:
    """Return a set that was printed, in order."""
    return "{" + ", ".join(sorted(found[1].split(", "))) + "}"


def told(command: str, done: subprocess.CompletedProcess[str]) -> str:
    """Return a command as the record has it: the last line that it printed, and its status."""
    whole = command.startswith("cat")
    lines = done.stdout.splitlines() if whole else (done.stdout + done.stderr).splitlines()[-1:]
    lines = [] if command.startswith(QUIET) else lines
    lines = [PATCH.sub(r"\1", line) for line in lines]
    lines = [SET.sub(sorted_set, line.partition(" in 0.")[0]) for line in lines]
    status = [] if whole or "--version" in command else [f"status {done.returncode}"]
    return "\n".join([f"$ {command}", *lines, *status])


def record(python: str) -> str:
    """Return what the pins do in a new environment of a Python, which a registry fills."""
    with tempfile.TemporaryDirectory() as folder:
        inside = f"{folder}/venv/bin/python"
        subprocess.run([UV, "venv", "--quiet", "--python", python, f"{folder}/venv"], check=True)
        Path(folder, "pins.txt").write_text(PINS)
        Path(folder, "test_orders.py").write_text(TEST)
        found = []
        for typed, command in STEPS.items():
            words = [word.replace("{python}", inside) for word in command]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
            found.append(told(typed, done))
    return "\n".join(found) + "\n"


def main() -> None:
    """Write the record, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", help="the Python to make an environment of")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    now = record(options.python)
    if not options.check:
        RECORD.write_text(f"recorded {datetime.now(UTC):%Y-%m-%d}\n{now}")
    elif (then := RECORD.read_text().partition("\n")[2]) != now:
        old, new = then.splitlines(keepends=True), now.splitlines(keepends=True)
        sys.stdout.writelines(difflib.unified_diff(old, new, "recorded", "now"))
        sys.exit("The record is old: run this without --check, and read the page again.")


if __name__ == "__main__":
    main()
