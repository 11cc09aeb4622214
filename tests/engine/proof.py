"""Judge each block by what was run, typed and linted in this session."""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.engine import batch
from tests.engine.pages import ROOT, Block, RefusedError, parses
from tests.engine.run import Fork, Run, run_python, run_shell, with_outputs

KINDS = {"sh": "script", "text": "output", "toml": "config", "markdown": "markup"}
NEVER_COPIED = shutil.ignore_patterns(".*", "__pycache__", "site", "ledger.json")


@dataclass(frozen=True)
class Expectation:
    """How a snippet must fail: in its test, and in the eyes of mypy and ruff."""

    raises: "pytest.RaisesExc[BaseException] | None" = None
    findings: frozenset[tuple[str, str, int]] = frozenset()

    def record(self) -> dict[str, Any]:
        """Return the expectation as the ledger holds it."""
        match = self.raises and self.raises.match
        return {
            "outcome": "fail" if self.raises else "pass",
            "raises": self.raises and self.raises.expected_exceptions[0].__name__,
            "match": getattr(match, "pattern", match),
            "findings": [
                {"tool": tool, "code": code, "line": line}
                for tool, code, line in sorted(self.findings)
            ],
        }


@dataclass
class Session:
    """All that a session learns about the blocks, from which it judges each."""

    limit: float
    updating: bool
    blocks: dict[str, Block] = field(default_factory=dict)
    expected: dict[str, Expectation] = field(default_factory=dict)
    proving: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    red: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    runs: dict[str, Run] = field(default_factory=dict)
    lines: dict[str, dict[str, set[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: dict[str, list[batch.Finding]] | None = None

    def __post_init__(self) -> None:
        self.tree = tree()
        self.tests = coverage.Coverage(data_file=None, config_file=str(ROOT / "pyproject.toml"))
        self.script = coverage.Coverage(data_file=None, config_file=str(ROOT / "pyproject.toml"))
        self.script.start()  # once, here: the children that run scripts start warm
        self.script.stop()

    def start_batch(self) -> None:
        """Start types and lint on the other core; a file that is no Python has no say."""
        files = {block.file for block in self.blocks.values() if block.language == "python"}
        checked = sorted(file for file in files if parses(file))
        self.batch = Fork(lambda: batch.check(checked))

    def findings(self, block: Block) -> list[batch.Finding]:
        """Return what the batch found in the block's file."""
        if self.found is None:
            answer = self.batch.result()
            if answer is None:
                raise RuntimeError("types and lint did not run: see the output above")
            self.found = defaultdict(list)
            for finding in answer:
                self.found[finding.file].append(finding)
        return self.found[f"snippets/{block.path}"]

    def expectation(self, block: Block) -> Expectation:
        """Return how the block's snippet must fail, if at all."""
        return self.expected.get(block.path, Expectation())

    # Run: what the snippet does.

    def run(self, block: Block, item: str) -> None:
        """Run the block's file, once a session, and hold its output."""
        run_one = getattr(self, f"run_{block.language}", None)
        if run_one is None or block.path in self.runs or self.failing(block):
            return
        if block.language == "sh":
            self.proving[block.path].add(item)
        self.runs[block.path] = run = run_one(block)
        for file, lines in run.executed.items():
            self.lines[file][item].update(lines)
        if run.left:
            raise block.refuse(
                f"snippets/{block.path} leaves behind: {', '.join(run.left)}",
                "End what it starts and remove what it writes",
            )

    def run_python(self, block: Block) -> Run:
        """Run a Python file and compare what it prints."""
        raises = self.expectation(block).raises
        source = block.file.read_text()
        if re.search(r"#\s*pragma:", source):
            raise block.refuse("a pragma stands in shown code", "Remove it")
        run = run_python(block.file, self.limit, self.script, raises)
        if run.error and not run.matched:
            raise block.refuse(
                f"it fails: {run.error}",
                "Mend the snippet, or declare in its test how it must fail",
                run.error_line,
            )
        updated = with_outputs(block.file, source, run)
        if updated != source and self.updating:
            block.file.write_text(updated)
        elif updated != source:
            pairs = zip(source.splitlines(), [*updated.splitlines(), ""], strict=False)
            number, was, now = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
            raise block.refuse(
                f"the output changed: shown {was.strip()!r}, printed {now.strip()!r}",
                "Mend the snippet, or run `make update` and read the diff",
                number,
            )
        stale = source.count("#> ") - len(run.prints)
        if stale > 0 and not self.updating:
            raise block.refuse(
                f"{stale} shown output has no print that ran", "Remove the `#>`", 1
            )
        self.hold_output(block, run)
        return run

    def run_sh(self, block: Block) -> Run:
        """Run a shell script in a copy of its folder and compare what it prints."""
        checker = ["shellcheck", "--shell=sh", "--format=gcc", block.path]
        with tempfile.TemporaryDirectory(prefix="playbook-") as base:
            contributors = block.path.startswith("contributing/")
            home = ROOT if contributors else block.file.parent
            folder = Path(base, "copy")
            shutil.copytree(home, folder, ignore=NEVER_COPIED)
            script = folder / block.file.name
            shutil.copy(block.file, script)
            run = run_shell(script, self.limit, folder)
        if run.error:
            raise block.refuse(run.error, "Mend the script", 1)
        self.hold_output(block, run)
        checked = subprocess.run(
            checker, cwd=ROOT / "snippets", capture_output=True, text=True
        )
        if checked.returncode:
            raise block.refuse(f"shellcheck: {checked.stdout.strip()}", "Mend the script", 1)
        return run

    def run_toml(self, block: Block) -> Run:
        """Parse a TOML file; the tests that use it prove it."""
        try:
            tomllib.loads(block.file.read_text())
        except tomllib.TOMLDecodeError as error:
            raise block.refuse(f"it is no TOML: {error}", "Mend the file", 1) from error
        return Run()

    def hold_output(self, block: Block, run: Run) -> None:
        """Compare what a file wrote with its `.out`, or rewrite that."""
        out = block.file.with_suffix(".out")
        shown = out.read_text() if out.exists() else ""
        if shown == run.output:
            return
        if self.updating and out.exists():
            out.write_text(run.output)
            return
        if not out.exists():
            if block.language == "sh":
                return  # its exit status is its claim
            raise block.refuse(
                f"it writes what no page shows: {run.output.strip()!r}",
                f"Show it: add snippets/{block.path} with the suffix .out, and its fence",
                1,
            )
        pairs = zip([*shown.splitlines(), ""], [*run.output.splitlines(), ""], strict=False)
        number, was, now = next(
            ((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b), (1, shown, run.output)
        )
        raise RefusedError(
            out,
            number,
            f"the output changed: shown {was!r}, written {now!r}",
            "Mend the snippet, or run `make update` and read the diff",
        )

    # Proof: what all that was run, typed and linted says of the block.

    def prove(self, block: Block) -> None:
        """Judge the block, and record the judgement for the ledger."""
        executable = sorted(statements(block.file) & block.lines)
        evidence = self.evidence(block)
        covered = set().union(*evidence.values()) if evidence else set()
        executed = sorted(set(executable) & covered)
        checks = self.checks(block, evidence)
        record = {
            "outcome": "failed",
            "tests": sorted(evidence),
            "executable": executable,
            "executed": executed,
            "checks": sorted(checks),
            "seconds": round(self.runs.get(block.path, Run()).seconds, 3),
        }
        self.records[block.id] = record
        if block.id in self.refused or self.failing(block):
            return  # red already
        self.hold_findings(block)
        self.hold_kind(block)
        self.hold_lines(block, sorted(set(executable) - set(executed)))
        self.hold_evidence(block, checks)
        record["outcome"] = "passed"

    def owners(self, block: Block) -> list[Block]:
        """Return the blocks whose output this block is."""
        files = {block.file.with_suffix(suffix) for suffix in (".py", ".sh")}
        outputs = block.language == "text"
        return [other for other in self.blocks.values() if outputs and other.file in files]

    def evidence(self, block: Block) -> dict[str, set[int]]:
        """Return the passing tests that ran lines of the file or declare to prove it."""
        found = {item: set[int]() for item in self.proving[block.path] & self.passed}
        for item, lines in self.lines[str(block.file)].items():
            if item in self.passed and lines & block.lines:
                found[item] = lines
        for owner in self.owners(block):
            found |= self.evidence(owner)
        return found

    def failing(self, block: Block) -> bool:
        """Tell whether a test of the block failed, or a file that it depends on."""
        tests = self.proving[block.path] | set(self.lines[str(block.file)])
        used = {block.path} | {owner.path for owner in self.owners(block)}
        if block.language == "sh":
            names = [path for path in self.red if Path(path).name in block.text]
            used |= {path for path in names if Path(path).parent == Path(block.path).parent}
        return bool(tests & self.failed or used & self.red)

    def checks(self, block: Block, evidence: dict[str, set[int]]) -> set[str]:
        """Return the names of the checks that the block went through."""
        tests = any(item.startswith("tests/prove/") for item in evidence)
        checks = {"test"} if tests else set()
        if block.language == "python":
            checks |= {"run", *batch.CHECKS}
            run = self.runs.get(block.path)
            if run and (run.prints or run.output):
                checks.add("output")
            if self.expectation(block).raises:
                checks.add("twin")
        elif block.language == "sh":
            shown = block.file.with_suffix(".out").exists()
            checks |= {"run", "shellcheck"} | ({"output"} if shown else set())
        elif block.language == "toml":
            checks.add("parse")
        elif block.language == "text":
            checks.add("output")
        return checks

    def hold_findings(self, block: Block) -> None:
        """Refuse what mypy, ruff and black find, and what they no longer find."""
        if block.language != "python":
            return
        expected = self.expectation(block).findings
        found = self.findings(block)
        for finding in found:
            if (finding.tool, finding.code, finding.line) not in expected:
                raise block.refuse(
                    f"{finding.tool} {finding.code}: {finding.message.rstrip('.')}",
                    "Mend the line; in a \"don't\", declare the finding in its test",
                    finding.line,
                )
        for tool, code, line in expected - {(f.tool, f.code, f.line) for f in found}:
            raise block.refuse(
                f"{tool} no longer reports {code} here",
                "Correct the page and the finding that its test declares",
                line,
            )

    def hold_kind(self, block: Block) -> None:
        """Refuse a "don't" that is shown as a "do", and the other way round."""
        shown = block.under.lower().startswith(("don't", "don’t"))
        if block.language == "python" and shown != bool(self.expectation(block).raises):
            raise block.refuse(
                f"snippets/{block.path} stands under {block.under!r}, but its test "
                f"declares {'no' if shown else 'a'} failure",
                "Put it under the heading that fits, or declare how its test must fail",
            )

    def hold_lines(self, block: Block, missing: list[int]) -> None:
        """Refuse a line that is shown and that no passing test ran."""
        run = self.runs.get(block.path)
        if run and run.matched and run.error_line:  # what follows a declared failure can't run
            missing = [line for line in missing if line <= run.error_line]
        if missing:
            raise block.refuse(
                "the line is shown, but no passing test runs it",
                f"Run it in {test_of(block)}, or remove it",
                missing[0],
            )

    def hold_evidence(self, block: Block, checks: set[str]) -> None:
        """Refuse a block whose effect nothing asserts."""
        if block.language == "text":
            if not self.owners(block):
                raise block.refuse(
                    f"snippets/{block.path} is the output of no block",
                    "Show the script that writes it on the same page",
                )
        elif block.language != "sh" and not checks & {"output", "test"}:
            raise block.refuse(
                f"no test executes snippets/{block.path}",
                f"Print what it shows, or assert it in {test_of(block)}",
            )

    def entry(self, block: Block, run: str) -> dict[str, Any]:
        """Return the block as the ledger holds it."""
        expectation = self.expectation(block)
        kind = "dont" if expectation.raises else "do"
        record = self.records.get(block.id)
        return {
            "id": block.id,
            "page": str(block.page.relative_to(ROOT / "docs")),
            "line": block.line,
            "language": block.language,
            "path": block.path,
            "section": block.section,
            "sha256": block.sha256,
            "kind": KINDS.get(block.language, kind),
            "expects": expectation.record(),
            "proofs": [{"run": run, **record}] if record else [],
        }


def tree() -> set[Path]:
    """Return the files of the project's rooms, but for hidden and compiled ones."""
    return {
        Path(folder, name)
        for room in ("docs", "snippets", "tests")
        for folder, _, names in os.walk(ROOT / room)
        for name in names
        if not name.startswith(".") and not folder.endswith("__pycache__")
    }


def statements(file: Path) -> set[int]:
    """Return the lines of a Python file that coverage.py counts as executable."""
    if file.suffix != ".py" or not parses(file):
        return set()
    cov = coverage.Coverage(data_file=None, config_file=str(ROOT / "pyproject.toml"))
    _, lines, _, _ = cov.analysis2(str(file))[:4]
    return set(lines)


def test_of(block: Block) -> str:
    """Return the file that tests a page's snippets."""
    page = block.page.relative_to(ROOT / "docs")
    return str(Path("tests/prove", page.parent, f"test_{page.stem}.py"))
