"""Judge each block by what was run, typed and linted in a session of pytest."""

import functools
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import coverage.python

from tests.engine import needs
from tests.engine.batch import Batch, Found
from tests.engine.pages import DOCS, HOME, ROOT, SNIPPETS, Block, RefusedError, parses, test_of
from tests.engine.run import Run, execute, run, script, with_prints

KINDS = {
    "sh": "script",
    "text": "output",
    "toml": "config",
    "ini": "config",
    "yaml": "config",
    "sql": "script",
    "mako": "markup",
    "dockerfile": "config",
    "makefile": "config",
    "nginx": "config",
    "ignore": "config",
    "json": "data",
    "markdown": "markup",
}
CHECKS = {"python": {"mypy", "ruff", "run"}, "sh": {"run"}}
Lines = dict[str, set[int]]
Entry = dict[str, Any]
PASS: Entry = {"outcome": "pass", "raises": None, "match": None, "findings": []}
BY_TESTS = "Run it in snippets/service/tests, in the test's own process"
UPDATE = "Mend the snippet, or run `make update` and read the diff"


@dataclass
class Session:
    """All that a session learns about the blocks, from which it judges each."""

    limit: float
    updating: bool
    blocks: dict[str, Block] = field(default_factory=dict)
    expected: dict[str, Entry] = field(default_factory=dict)
    proving: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lines: dict[str, Lines] = field(default_factory=lambda: defaultdict(dict))
    runs: dict[str, Run] = field(default_factory=lambda: defaultdict(Run))
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)  # of the service's tests
    named: set[str] = field(default_factory=set)  # of those, by pages' tests
    crashes: dict[str, tuple[Path, int, str]] = field(default_factory=dict)  # of those, untold
    findings: Found = field(default_factory=dict)  # in the service
    red: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    claims: dict[str, Entry] = field(default_factory=dict)  # what holds each sentence
    previous: Entry = field(default_factory=dict)
    told: Entry = field(default_factory=dict)  # of the whole
    batch: Batch | None = None

    def __post_init__(self) -> None:
        told: Entry = {"config_file": str(ROOT / "pyproject.toml"), "include": [f"{SNIPPETS}/*"]}
        self.tests, self.script = (coverage.Coverage(data_file=None, **told) for _ in range(2))
        self.script.start()  # once, here: the children that run scripts start warm
        self.script.stop()

    def start_batch(self) -> None:
        """Start types and lint; a file that is no Python has no say in them."""
        blocks = [block for block in self.blocks.values() if not block.of_service]
        files = {block.file for block in blocks if block.language == "python"}
        self.batch = Batch(sorted(str(file) for file in files if parses(file)))

    def cover(self, file: str, item: str, lines: set[int]) -> None:
        """Note the lines of a snippet that an item executed."""
        if lines:
            self.lines[os.path.relpath(file, SNIPPETS)][item] = lines

    def owners(self, block: Block) -> set[str]:
        """Return the paths of the scripts whose output this block is."""
        stem = block.path.removesuffix(".out")
        paths = {other.path for other in self.blocks.values()}
        return paths & {f"{stem}.py", f"{stem}.sh"} if block.language == "text" else set()

    def failing(self, block: Block) -> bool:
        """Tell whether a test of the block failed, or a file that it depends on."""
        used = {block.path} | self.owners(block)
        if block.language == "sh":
            folder = Path(block.path).parent
            used |= {str(folder / word) for word in block.text.split()}
        tests = self.proving[block.path] | set(self.lines[block.path])
        return bool(tests & self.failed or used & self.red)

    def run(self, block: Block, item: str) -> None:
        """Run the block's file, once a session, and hold what it shows."""
        if block.of_service:
            tests = self.failed.intersection(self.lines[block.path])
            self.hold_tests(tests if tests <= self.crashes.keys() else ())  # one message for all
            return
        if block.language not in CHECKS or block.path in self.runs or self.failing(block):
            return
        if block.language == "sh":
            self.proving[block.path].add(item)
            work = functools.partial(script, block.file)
        else:
            work = functools.partial(execute, block.file, self.script)
        done = self.runs[block.path] = run(block.file, self.limit, work)
        for file, lines in done.executed.items():
            self.cover(file, item, lines)
        if done.error:
            reason = f"it fails: {done.error} {done.output[-300:]}"
            raise block.refuse(reason, "Mend it, or catch and print the error", done.line)
        if done.left:
            reason = f"snippets/{block.path} leaves behind: {', '.join(done.left)}"
            raise block.refuse(reason, "End what it starts and remove what it writes")
        self.hold_output(block, done)

    def hold_tests(self, tests: Iterable[str]) -> None:
        """Refuse, once, a test of the service that failed."""
        for test in sorted(self.failed.intersection(tests, self.crashes)):
            file, line, said = self.crashes.pop(test)
            reason = f"{test.removeprefix(HOME)} fails: {said}"
            raise RefusedError(file, line, reason, "Mend the service, or its test if it is wrong")

    def hold_output(self, block: Block, done: Run) -> None:
        """Hold what a file printed against its `#>` lines and its `.out`."""
        out, source = block.file.with_suffix(".out"), block.file.read_text()
        printed = with_prints(block.file, source, done) if done.prints else source
        shown = [(block.file, source, printed)]
        if out.exists():
            shown.append((out, out.read_text(), done.output))
        elif done.output and block.language == "python":
            cure = f"Show it: add a file {out.name} beside it, and the fence"
            raise block.refuse(f"it writes what no page shows: {done.output!r}", cure, 1)
        for file, was, now in shown:
            if was != now and self.updating:
                file.write_text(now)
            elif was != now:
                pairs = zip_longest(was.splitlines(), now.splitlines(), fillvalue="")
                line, then, since = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
                reason = f"the output changed: shown {then.strip()!r}, written {since.strip()!r}"
                raise RefusedError(file, line, reason, UPDATE)
        if source.count("#> ") > len(done.prints) and not self.updating:
            raise block.refuse("a shown output has no print that ran", "Remove the `#>`", 1)

    def prove(self, block: Block) -> None:
        """Judge the block, and keep the judgement for the ledger."""
        python = block.language == "python" and parses(block.file)
        lines, ran = set[int](), self.evidence(block)
        executed = lines.union(*ran.values())
        on_import = self.lines[block.path].get("", set()) if block.of_service else set()
        executed |= on_import if ran else set()
        if python:
            file = coverage.python.PythonFileReporter(str(block.file), self.script)
            lines, executed = file.lines() & block.lines, file.translate_lines(executed)
        executed &= lines
        entry = self.entries[block.id] = self.entry(block, ran, lines, executed)
        if self.failing(block):
            return  # it is red already
        if python:
            self.hold_findings(block)
            self.hold_needs(block)
        if python or block.language == "diff":
            self.hold_place(block)
        (proof,) = entry["proofs"]
        missing = lines - executed
        if (missing or not ran) and self.skipped & self.proving[block.path]:
            proof["outcome"] = "skipped"  # its test says what is missing here
            return
        if missing:
            reason, cure = (
                "no passing test runs it",
                f"Run it in {test_of(block.page)}, or remove it",
            )
            if missing <= on_import:
                reason = "it runs on import only, and no test is said to need it"
                cure = f"Name one in {test_of(block.page)}, with the marks `service` and `proves`"
            elif block.of_service:
                reason += "; what tests/survival starts, in its own processes, coverage can't see"
                cure = BY_TESTS
            raise block.refuse(f"the line is shown, but {reason}", cure, min(missing))
        if not {"output", "test"} & set(proof["checks"]) and block.language != "sh":
            cure = f"Print what it shows, or assert it in {test_of(block.page)}"
            raise block.refuse(f"no test executes snippets/{block.path}", cure)
        proof["outcome"] = "passed"

    def evidence(self, block: Block) -> Lines:
        """Return the passing tests that ran lines of the block or declare to prove it."""
        ran: Lines = {}
        for path in {block.path} | self.owners(block):
            ran |= {item: set[int]() for item in self.proving[path]} | self.lines[path]
        ran = {item: lines & block.lines for item, lines in ran.items() if item in self.passed}
        if block.language != "python":
            return ran
        named = self.proving[block.path] if block.of_service else set()
        own = {item: lines for item, lines in ran.items() if item.startswith(HOME)}
        others = {item: lines for item, lines in ran.items() if lines or item in named}
        return {item: others[item] for item in others.keys() - own} | self.fewest(own)

    def fewest(self, ran: Lines) -> Lines:
        """Return as few tests of the service as run these lines: named ones, then quick ones."""
        chosen, left = Lines(), set[int]().union(*ran.values())
        first = sorted(
            ran, key=lambda test: (test not in self.named, self.seconds.get(test, 0), test)
        )
        while left:
            counts = [len(ran[test] & left) for test in first]
            best = first[counts.index(max(counts))]
            chosen[best] = ran[best]
            left = left - ran[best]
        return chosen

    def entry(self, block: Block, ran: Lines, lines: set[int], executed: set[int]) -> Entry:
        """Return the block as the ledger holds it, not yet passed."""
        done, expected = self.runs.get(block.path, Run()), self.expected.get(block.path, PASS)
        dont = expected["outcome"] == "fail"
        checks = set(CHECKS.get(block.language, ())) | ({"twin"} if dont else set())
        checks |= {"output"} if done.prints or done.output or self.owners(block) else set()
        checks |= {"test"} if any(test.startswith(("tests/", HOME)) for test in ran) else set()
        checks -= {"run"} if block.of_service else set()
        proof = {
            "outcome": "failed",
            "tests": sorted(ran),
            "executable": sorted(lines),
            "executed": sorted(executed),
            "checks": sorted(checks),
            "seconds": round(done.seconds + sum(self.seconds.get(test, 0) for test in ran), 3),
        }
        return {
            "id": block.id,
            "page": str(block.page.relative_to(DOCS)),
            "line": block.line,
            "language": block.language,
            "path": block.path,
            "section": block.section,
            "sha256": hashlib.sha256(block.text.encode()).hexdigest(),
            "kind": "dont" if dont else KINDS.get(block.language, "do"),
            "expects": expected,
            "proofs": [proof],
        }

    def hold_findings(self, block: Block) -> None:
        """Refuse what the tools find, or find no more."""
        expected = self.expected.get(block.path, PASS)
        wanted = {(told["tool"], told["code"], told["line"]) for told in expected["findings"]}
        batch = self.findings if block.of_service or not self.batch else self.batch.findings
        found = batch.get(block.file, set())
        for tool, code, line, message in sorted(found):
            if (tool, code, line) not in wanted:
                cure = 'Mend the line; in a "don\'t", declare the finding in its test'
                raise block.refuse(f"{tool} {code}: {message}", cure, line)
        for tool, code, line in wanted - {told[:3] for told in found}:
            cure = "Correct the page and the finding that its test declares"
            raise block.refuse(f"{tool} no longer reports {code} here", cure, line)

    def hold_needs(self, block: Block) -> None:
        """Refuse a block that needs what its page doesn't name: a package, or a variable."""
        if block.of_service or not parses(block.file):
            return
        if lacking := needs.unnamed(block.file, block.page.read_text()):
            reason = f"it needs {', '.join(lacking)}, which its page doesn't name"
            raise block.refuse(reason, "Say below the block what to install and to export")

    def hold_place(self, block: Block) -> None:
        """Refuse what stands out of place: a "don't" is told by its heading."""
        expected = self.expected.get(block.path, PASS)
        if block.heading.startswith("Don't") != (expected["outcome"] == "fail"):
            reason = f"its test must {expected['outcome']}, but it stands under {block.heading!r}"
            raise block.refuse(reason, "Move it, or declare in its test how it must fail")
