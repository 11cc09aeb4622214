"""The service's gates, one by one, on a copy of it as it is and on one with faults planted."""

import os
import re
import shlex
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.service import BIN, SERVICE, copied

TIERS = tomllib.loads((SERVICE / "tiers.toml").read_text())


class GateError(Exception):
    """A gate refused a copy; the message is what it found, a line each."""


@dataclass(frozen=True)
class Gate:
    """How a gate is run here: on what, and which of its lines tell what it found."""

    passes: str
    finds: str
    alone: dict[str, str] = field(default_factory=dict)
    """What is written in place of a part of the command, so that it costs less."""


def command(name: str, gate: Gate, test: str) -> list[str]:
    """Return the command of a gate in the smallest tier that has it, as narrow as told."""
    tiers = [tier for tier in TIERS["tiers"].values() if name in tier["gates"]]
    limit = f"--cov --cov-fail-under={tiers[0].get('coverage', 0) + 0.01}"
    line = TIERS["gates"][name].format(test=test, coverage=limit)
    for part, narrow in gate.alone.items():
        assert part in line, f"{name} has no {part}"
        line = line.replace(part, narrow)
    return shlex.split(line)


class Copy:
    """A copy of the service, with its patches, on which gates run."""

    def __init__(self, base: Path, *patches: str) -> None:
        base.mkdir()
        self.base, self.home = base, copied(str(base), *patches)
        self.wrote: dict[str, list[str]] = {}

    def run(self, name: str, gate: Gate, test: str) -> str:
        """Return the line in which a gate says that it passes, or raise `GateError`."""
        ours = re.compile("PYTEST|PYTHONDONTWRITEBYTECODE")  # the next gate reads bytecode
        outside = {k: value for k, value in os.environ.items() if not ours.search(k)}
        inside = {
            "COVERAGE_FILE": f"{self.base}/coverage",
            "MYPY_CACHE_DIR": f"{self.base.parent}/types",
            "NO_COLOR": "1",
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.home}/src:{self.home}",
        }
        done = subprocess.run(
            command(name, gate, test),
            cwd=self.home,
            env=outside | inside,
            capture_output=True,
            text=True,
        )
        lines = self.wrote[name] = (done.stdout + done.stderr).splitlines()
        found = [told[0] for line in lines if (told := re.search(gate.finds, line))]
        if done.returncode:
            raise GateError("\n".join(map(without_line, found or lines[-20:])))
        (passed,) = [line for line in lines if gate.passes in line]
        assert not found, f"{name} says {passed!r}, and finds {found}"
        return gate.passes


def without_line(found: str) -> str:
    """Return what a gate found without the lines of files, which move."""
    return re.sub(r"(?<=\w):\d+(?::\d+)?(?!\w)", "", found).strip()
