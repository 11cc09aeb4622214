"""Type and lint all snippets of a session in one go, on the other core."""

import functools
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from subprocess import PIPE

from tests.engine.pages import ROOT

TOOLS = {
    "mypy": [sys.executable, "-m", "mypy", "--output=json", "--no-error-summary"],
    "ruff": ["ruff", "check", "--quiet", "--config=pyproject.toml", "--output-format=json-lines"],
}


class Batch:
    """The tools at work on some files."""

    def __init__(self, files: list[Path]) -> None:
        """Start the tools."""
        self.running = {
            tool: subprocess.Popen([*call, *files], cwd=ROOT, stdout=PIPE, stderr=PIPE)
            for tool, call in (TOOLS.items() if files else ())
        }

    @functools.cached_property
    def findings(self) -> dict[Path, set[tuple[str, str, int, str]]]:
        """What the tools found, once they are done: by file the tool, code, line and message."""
        found: dict[Path, set[tuple[str, str, int, str]]] = defaultdict(set)
        for tool, process in self.running.items():
            output, errors = process.communicate()
            if process.returncode not in (0, 1):
                raise RuntimeError(f"{tool} did not run: {(output + errors).decode()}")
            for told in map(json.loads, output.splitlines()):
                if told["severity"] == "error":
                    line = told["location"]["row"] if "location" in told else told["line"]
                    file = ROOT / (told.get("filename") or told["file"])
                    found[file].add((tool, told["code"], line, told["message"].rstrip(".")))
        return found
