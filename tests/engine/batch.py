"""Type, lint and format all snippets of a session in one go."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pytest_examples.config import ExamplesConfig
from pytest_examples.lint import black_format

from tests.engine.pages import ROOT

CHECKS = ("mypy", "ruff", "black")


@dataclass(frozen=True)
class Finding:
    """What a tool reports of a line of a file."""

    file: str
    line: int
    tool: str
    code: str
    message: str


def check(files: list[Path]) -> list[Finding]:
    """Return all that the tools find in some files."""
    names = [str(file.relative_to(ROOT)) for file in files]
    os.chdir(ROOT)
    return types(names) + lint(names) + layout(names) if names else []


def types(names: list[str]) -> list[Finding]:
    """Return what `mypy --strict` finds."""
    from mypy import api  # here, in the child: it takes a while to load

    output, errors, status = api.run(["--output=json", "--no-error-summary", *names])
    if status not in (0, 1):
        raise RuntimeError(output + errors)
    entries = [json.loads(line) for line in output.splitlines()]
    return [
        Finding(entry["file"], entry["line"], "mypy", entry["code"], entry["message"])
        for entry in entries
        if entry["severity"] == "error"
    ]


def lint(names: list[str]) -> list[Finding]:
    """Return what ruff finds with the project's rules, whatever lies beside a file."""
    process = subprocess.run(
        ["ruff", "check", "--config=pyproject.toml", "--output-format=json", *names],
        capture_output=True,
        text=True,
    )
    if process.returncode not in (0, 1):
        raise RuntimeError(process.stderr)
    return [
        Finding(
            str(Path(entry["filename"]).relative_to(ROOT)),
            entry["location"]["row"],
            "ruff",
            entry["code"],
            entry["message"],
        )
        for entry in json.loads(process.stdout)
    ]


def layout(names: list[str]) -> list[Finding]:
    """Return the first line of each file that black would write otherwise."""
    found = []
    for name in names:
        source = (ROOT / name).read_text()
        wanted = black_format(source, ExamplesConfig(line_length=88, quotes="double"))
        if wanted != source:
            pairs = zip(source.splitlines(), [*wanted.splitlines(), ""], strict=False)
            line = next((n for n, (is_, be) in enumerate(pairs, 1) if is_ != be), 1)
            found.append(Finding(name, line, "black", "format", "black writes it otherwise"))
    return found
