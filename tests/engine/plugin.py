"""Make pytest prove pages: blocks become items, and at the end the ledger is written."""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem

from tests.engine import ledger
from tests.engine.pages import DOCS, ROOT, Block, RefusedError, parse, test_of
from tests.engine.proof import Session
from tests.parts.signals import uninterrupted

MARK = "PLAYBOOK_ITEM"  # in the environment of each process that an item starts
STATE = pytest.StashKey[Session]()


class Pages(Sybil):
    """The blocks of all pages, each an item of one stage: run, then proof."""

    def __init__(self, stage: str) -> None:
        super().__init__(parsers=[self.regions], name=stage, fixtures=["pytestconfig", "parts"])

    def should_parse(self, path: Path) -> bool:
        """Tell whether a file is a page."""
        return path.suffix == ".md" and path.is_relative_to(DOCS)

    def identify(self, example: Example) -> str:
        """Name an item by line, stage and file."""
        return f"line {example.line} {self.name} {getattr(example.parsed, 'path', 'refused')}"

    def regions(self, document: Document) -> Iterator[Region]:
        """Return the blocks of a page."""
        for region in parse(document):
            region.evaluator = self.evaluate
            yield region

    def evaluate(self, example: Example) -> None:
        """Run a block, or judge it."""
        block, session = example.parsed, example.namespace["pytestconfig"].stash[STATE]
        if isinstance(block, RefusedError):
            if self.name == "run":
                raise block
            return
        try:
            if self.name == "run":
                session.run(block, os.environ[MARK].partition(" ")[2])
            else:
                session.prove(block)
        except BaseException:
            session.red.add(block.path)
            raise


# Sybil's own filter raises IndexError for an error from outside an example.
SybilItem._traceback_filter = pytest.Item._traceback_filter  # type: ignore[method-assign]  # it fails
pytest_collect_file = (Pages("run") + Pages("proof")).pytest()


def pytest_configure(config: pytest.Config) -> None:
    """Put the environment's programs first, and a page's tests beside the page."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    config.stash[STATE] = Session(float(config.getini("timeout")), config.option.update_examples)
    for path in [config.invocation_params.dir / argument for argument in config.args]:
        if path.suffix == ".md" and path.is_relative_to(DOCS):
            page = path.relative_to(DOCS)
            test = ROOT / test_of(path)
            config.args += [str(test)] if test.exists() else []
            config.args.append(f"{ROOT}/tests/prove/test_whole.py::test_sentences_are_true[{page}]")


def waits(item: pytest.Item) -> bool:
    """Tell whether an item waits for the tests of the service."""
    block = getattr(getattr(item, "example", None), "parsed", None)
    if isinstance(block, Block):
        return block.of_service or block.language == "diff"
    return "service_runs" in getattr(item, "fixturenames", ())


def rank(item: pytest.Item) -> int:
    """Return when an item's turn comes: tests, runs, proofs, then what holds for all.

    What waits for the tests of the service comes after the proofs, in the same order.
    """
    turn = 0 if item.path.suffix != ".md" else 2 if " proof " in item.name else 1
    return 6 if item.path.name == "test_whole.py" else turn + 3 * waits(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the session, learn what is expected, and start types and lint."""
    items.sort(key=rank)
    session = config.stash[STATE]
    try:
        session.previous = ledger.load()
        for item in items:
            block = getattr(getattr(item, "example", None), "parsed", None)
            if block:
                item.add_marker(pytest.mark.timeout(0))  # a run ends at its own limit
            if isinstance(block, Block):
                session.blocks[block.id] = block
        hold_collected(config, items, list(session.blocks.values()))
    except RefusedError as refusal:
        raise pytest.UsageError(str(refusal)) from refusal
    if session.blocks and not config.option.collectonly:
        session.start_batch()
        if not session.updating:  # a killed session leaves no ledger, rather than a stale one
            ledger.LEDGER.unlink(missing_ok=True)


def hold_collected(config: pytest.Config, items: list[pytest.Item], blocks: list[Block]) -> None:
    """Refuse a folder, or the test file of a chapter's page, that collects nothing."""
    here, paths = config.invocation_params.dir, [a for a in config.args if ".md" not in a]
    wanted = {here / path.split("::")[0] for path in paths}
    wanted |= {ROOT / test_of(block.page) for block in blocks if block.page.parent != DOCS}
    for path in sorted(wanted):
        if not any(item.path.is_relative_to(path) for item in items):
            raise RefusedError(path, 1, "nothing was collected here", "Add a test, or restore it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record which lines of which snippets a test runs."""
    session = item.config.stash[STATE]
    os.environ[MARK] = f"{os.getpid()} {item.nodeid}"
    if rank(item) or not session.blocks:
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
            session.cover(file, item.nodeid, set(data.lines(file) or []))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the names of what passed and failed, and let a refusal speak for itself."""
    report, session = (yield), item.config.stash[STATE]
    if report.failed:
        session.failed.add(item.nodeid)
        if call.excinfo and isinstance(call.excinfo.value, RefusedError):
            report.longrepr = str(call.excinfo.value)
    elif call.when == "call" and (report.passed or hasattr(report, "wasxfail")):
        session.passed.add(item.nodeid)
    elif report.skipped:
        session.skipped.add(item.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the ledger: what the session proved, and what it did not touch."""
    proof = session.config.stash[STATE]
    if proof.batch:
        proof.batch.process.kill()  # when pytest ends before it does
        proof.batch.process.join()
    if (proof.batch or proof.told) and not proof.updating:
        with uninterrupted():
            ledger.write(proof)
