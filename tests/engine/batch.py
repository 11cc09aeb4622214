"""Type, lint and format all snippets of a session in one process beside it."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

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


def start(files: list[Path]) -> "subprocess.Popen[str]":
    """Start the batch over some files; hand it to `findings` later."""
    names = [str(file.relative_to(ROOT)) for file in files]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.engine.batch", *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def findings(batch: "subprocess.Popen[str]") -> list[Finding]:
    """Wait for the batch and return what it found."""
    output, errors = batch.communicate()
    if batch.returncode:
        raise RuntimeError(f"types and lint did not run: {errors or output}")
    return [Finding(**entry) for entry in json.loads(output)]


def types(names: list[str]) -> list[Finding]:
    """Return what `mypy --strict` finds."""
    from mypy import api

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
    from pytest_examples.config import ExamplesConfig
    from pytest_examples.lint import black_format

    found = []
    for name in names:
        source = (ROOT / name).read_text()
        wanted = black_format(source, ExamplesConfig(line_length=88, quotes="double"))
        if wanted != source:
            pairs = zip(source.splitlines(), [*wanted.splitlines(), ""], strict=False)
            line = next((n for n, (is_, be) in enumerate(pairs, 1) if is_ != be), 1)
            found.append(Finding(name, line, "black", "format", "black writes it otherwise"))
    return found


def main() -> None:
    """Print what is found in the files named on the command line, as JSON."""
    names = sys.argv[1:]
    found = types(names) + lint(names) + layout(names) if names else []
    json.dump([asdict(finding) for finding in found], sys.stdout)


if __name__ == "__main__":
    main()
