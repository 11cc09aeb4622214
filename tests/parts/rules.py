"""Ask ruff what it finds in a file with every rule that it has, those in preview among them."""

import json
import subprocess
from pathlib import Path

COMMAND = ["ruff", "check", "--isolated", "--select=ALL", "--preview", "--line-length=100"]
COMMAND += ["--target-version=py311", "--output-format=json-lines"]
COMMAND += ["--ignore=D,DOC"]  # what a docstring leaves out says nothing of what the code does


def found(file: Path) -> set[str]:
    """Return the codes of the rules that a file breaks."""
    told = subprocess.run([*COMMAND, file], capture_output=True, text=True)
    return {json.loads(line)["code"] for line in told.stdout.splitlines()}


def found_only_in(dont: Path, do: Path) -> set[str]:
    """Return the codes of the rules that a "don't" breaks and its "do" keeps."""
    return found(dont) - found(do)
