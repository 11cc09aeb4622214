"""Make pytest prove pages: blocks become items, and at the end the ledger is written."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sybil import Example, Sybil
from sybil.document import Document
from sybil.sybil import SybilCollection

from tests.engine import ledger
from tests.engine.pages import DOCS, ROOT, SNIPPETS, Block, RefusedError, parse, parses
from tests.engine.proof import Expectation, Session
from tests.engine.run import MARK

PROVE = ["docs", "tests/prove"]
CHECK = ["tests/check", "tests/refuse"]
STATE = pytest.StashKey[Session]()
PREVIOUS = pytest.StashKey["dict[str, object] | None"]()


class Pages(Sybil):
    """The blocks of all pages, each an item of one stage: run, then proof."""

    def should_parse(self, path: Path) -> bool:
        """Tell whether a file is a page."""
        return path.suffix == ".md" and path.is_relative_to(DOCS)

    def identify(self, example: Example) -> str:
        """Name an item by line, stage and file."""
        path = getattr(example.parsed, "path", "refused")
        return f"line {example.line} {self.name} {path}"


def stage(name: str) -> Pages:
    """Return the pages with an evaluator for one stage."""

    def evaluate(example: Example) -> None:
        session: Session = example.namespace["proof_session"]
        item: str = example.namespace["item_name"]
        block = example.parsed
        if isinstance(block, RefusedError):
            if name == "run":
                raise block
            return
        try:
            session.run(block, item) if name == "run" else session.prove(block)
        except BaseException:
            session.refused.add(block.id)
            session.red.add(block.path)
            raise

    def regions(document: Document) -> Iterator[object]:
        for region in parse(document):
            region.evaluator = evaluate
            yield region

    return Pages(parsers=[regions], name=name, fixtures=["proof_session", "item_name"])


pytest_collect_file = SybilCollection([stage("run"), stage("proof")]).pytest()


@pytest.fixture
def proof_session(request: pytest.FixtureRequest) -> Session:
    """What this session has learned about the blocks."""
    return request.config.stash[STATE]


@pytest.fixture
def item_name(request: pytest.FixtureRequest) -> str:
    """The name of the item that asks."""
    return request.node.nodeid


@pytest.fixture
def snippet(request: pytest.FixtureRequest) -> ModuleType:
    """The snippet that the test is parametrized with, imported anew at its real path."""
    file = SNIPPETS / request.param
    session: Session = request.config.stash[STATE]
    if request.param in session.red or not parses(file):
        pytest.skip(f"{request.param} is refused already")  # one message for one fault
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Without arguments, prove first and then check, each in a session of its own."""
    option = config.option
    if config.args_source is config.ArgsSource.ARGS or option.collectonly or option.help:
        return None
    for paths in (PROVE, CHECK):
        command = [sys.executable, "-m", "pytest", *config.invocation_params.args, *paths]
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise
        if status:
            return status
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Put the environment's programs first, and a page's test beside the page."""
    programs = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([programs, os.environ["PATH"]])
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    for argument in list(config.args):
        path = config.invocation_params.dir / argument
        if path.suffix == ".md" and path.is_relative_to(DOCS):
            page = path.relative_to(DOCS)
            test = ROOT / "tests/prove" / page.parent / f"test_{page.stem}.py"
            if test.exists():
                config.args.append(str(test))
            for name in ("inline_code_is_known", "versions_are_those_of_the_data_file"):
                config.args.append(f"{ROOT}/tests/prove/test_prose.py::test_{name}[{page}]")
    limit = float(config.getini("timeout"))
    config.stash[STATE] = Session(limit, config.option.update_examples)


def rank(item: pytest.Item) -> int:
    """Return when an item's turn comes: tests, runs, proofs, then what holds for all."""
    if item.path.suffix == ".md":
        return 1 if " run " in item.name else 2
    return 3 if item.path.name == "test_whole.py" else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the session, learn what is expected, and start types and lint."""
    items.sort(key=rank)
    hold_collected(config, items)
    session = config.stash[STATE]
    try:
        config.stash[PREVIOUS] = ledger.load()
    except ledger.EditedError as error:
        raise pytest.UsageError(str(error)) from error
    for item in items:
        example = getattr(item, "example", None)
        if example:
            item.add_marker(pytest.mark.timeout(0))  # a run ends at its own limit
        if example and isinstance(example.parsed, Block):
            session.blocks[example.parsed.id] = example.parsed
        expect(session, item)
    if session.blocks and not config.option.collectonly:
        if not session.updating:
            ledger.LEDGER.unlink(missing_ok=True)
        session.start_batch()


def hold_collected(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a folder or a page's test file that collects nothing."""
    pages = {item.path for item in items if item.path.suffix == ".md"}
    wanted = {ROOT / argument.split("::")[0] for argument in config.args}
    for page in pages:
        if page.parent != DOCS:
            relative = page.relative_to(DOCS)
            wanted.add(ROOT / "tests/prove" / relative.parent / f"test_{page.stem}.py")
    for path in sorted(wanted):
        if not any(item.path.is_relative_to(path) for item in items):
            where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            raise pytest.UsageError(
                f"{where}:1: nothing was collected here. Add a test, or restore the file."
            )


def shown(item: pytest.Item) -> str | None:
    """Return the snippet that a test is parametrized with, if any."""
    callspec = getattr(item, "callspec", None)
    path: str | None = callspec and callspec.params.get("snippet")
    return path


def expect(session: Session, item: pytest.Item) -> None:
    """Learn from a test which snippets it proves and how they must fail."""
    for mark in item.iter_markers("proves"):
        session.proving[mark.args[0]].add(item.nodeid)
    path = shown(item)
    if not path:
        return
    findings = frozenset(
        (mark.args[0], mark.args[1], mark.kwargs["line"])
        for mark in item.iter_markers("finding")
    )
    xfail = item.get_closest_marker("xfail")
    raises = xfail.kwargs.get("raises") if xfail else None
    if xfail and not (xfail.kwargs.get("strict") and getattr(raises, "match", None)):
        raise pytest.UsageError(
            f"{item.location[0]}:{(item.location[1] or 0) + 1}: the \"don't\" {path} does not "
            "say how it fails. Give its xfail strict=True and raises=pytest.RaisesExc(..., match=...)."
        )
    session.expected[path] = Expectation(raises, findings)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record which lines of which snippets a test runs."""
    session = item.config.stash[STATE]
    os.environ[MARK] = f"{os.getpid()} {item.nodeid}"
    if rank(item) != 0 or not session.blocks:
        return (yield)
    session.tests.start()
    session.tests.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        session.tests.stop()
        data = session.tests.get_data()
        data.set_query_context(item.nodeid)
        for file in data.measured_files():
            if lines := data.lines(file):
                session.lines[file][item.nodeid].update(lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the names of what passed, and say of a failure where, why and what to do."""
    report = yield
    as_declared = hasattr(report, "wasxfail") and report.skipped
    if as_declared and call.when != "call":
        report.outcome = "failed"
        del report.wasxfail
    if call.when == "call" and (report.passed or as_declared):
        item.config.stash[STATE].passed.add(item.nodeid)
    if report.failed:
        session = item.config.stash[STATE]
        session.failed.add(item.nodeid)
        session.red |= {shown(item)} - {None}
        report.longrepr = explain(item, call, report)
    return report


def explain(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> object:
    """Return what a failure's report says."""
    if call.excinfo and isinstance(call.excinfo.value, RefusedError):
        return str(call.excinfo.value)
    mark = item.get_closest_marker("proves")
    path = mark.args[0] if mark else shown(item)
    if not path:
        return report.longrepr
    where = f"{item.location[0]}:{(item.location[1] or 0) + 1}: snippets/{path}"
    if not item.get_closest_marker("xfail"):
        cure = "Mend the snippet, or the test if the page's claim has changed."
        return f"{report.longreprtext}\n{where} fails its test. {cure}"
    if call.excinfo is None:
        cure = "Correct the page, and the failure that this test declares."
        return f"{where} is shown as a \"don't\" and no longer fails. {cure}"
    cure = "Mend the snippet, or correct the failure that this test declares and the page."
    return f"{report.longreprtext}\n{where} fails elsewhere than declared. {cure}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the ledger: what this session proved, and what it did not touch."""
    proof = session.config.stash[STATE]
    batch = getattr(proof, "batch", None)
    if batch is None:
        return
    batch.end()
    if proof.updating:
        return
    run = ledger.this_run()
    previous = session.config.stash[PREVIOUS] or {"blocks": [], "runs": []}
    blocks = [proof.entry(block, run["id"]) for block in proof.blocks.values()]
    for block in blocks:
        if block["id"] in proof.refused:
            for record in block["proofs"]:
                record["outcome"] = "failed"
    pages = {block.page for block in proof.blocks.values()}
    kept = [
        block
        for block in previous["blocks"]
        if (DOCS / block["page"]).exists() and DOCS / block["page"] not in pages
    ]
    ledger.write(run, blocks, kept, previous["runs"])
