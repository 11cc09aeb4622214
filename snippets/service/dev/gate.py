"""Run the gates of a tier: `python -m dev.gate s tests/test_tokens.py`."""

import os
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from types import FrameType

from dev.folders import temporary

ROOT = Path(__file__).parents[1]
MODULE = "tests/test_handlers.py"
RUNNING = list[subprocess.Popen[bytes]]()


# --8<-- [start:commands]
def commands(tier: str, *tests: str) -> dict[str, list[str]]:
    """Return the commands of a tier by gate, or raise `KeyError` for an unknown tier.

    coverage.py passes at the limit itself, so a limit of 50 is told as 50.01.
    """
    told = tomllib.loads((ROOT / "tiers.toml").read_text())
    wanted = told["tiers"][tier]
    limit = f"--cov --cov-fail-under={wanted.get('coverage', 0) + 0.01}"
    test = shlex.join(tests or [MODULE])
    return {
        gate: shlex.split(told["gates"][gate].format(test=test, coverage=limit))
        for gate in wanted["gates"]
    }


# --8<-- [end:commands]


def pass_on(number: int, _: FrameType | None) -> None:
    """Let the gate that runs clean up; Ctrl-C it gets from the terminal itself."""
    for running in RUNNING:
        if number == signal.SIGTERM:
            running.terminate()


def main(tier: str, *tests: str) -> int:
    """Run the gates one after the other, until one fails; return its exit status.

    Each finds its name in GATE.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
    with temporary("coverage") as folder:
        environment["COVERAGE_FILE"] = f"{folder}/data"
        for gate, command in commands(tier, *tests).items():
            print(f"{tier} {gate}: {shlex.join(command)}", flush=True)
            environment["GATE"] = gate
            with subprocess.Popen(command, cwd=ROOT, env=environment) as running:
                RUNNING[:] = [running]
            if running.returncode:
                print(f"{tier} {gate}: failed", flush=True)
                return running.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
