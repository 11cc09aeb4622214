"""What a session learns from the service's tests, and the pages' tests that rest on them.

A section needs no declaration: the tests that run its lines prove it. For the rest, a page's test
calls the fixture `service`, and the mark `service` names the service's tests on which it rests. So
`proves` declares that they use a file, and `failing` that one of them fails under a patch.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest

from tests.engine.batch import Found
from tests.engine.pages import HOME, ROOT, SNIPPETS, RefusedError, parses
from tests.engine.plugin import STATE, waits
from tests.engine.proof import Session
from tests.parts.service import RUNNING, SERVICE, End, Told, every, linted, patched, some

AT_ONCE = 2
NEXT = "Add it in snippets/service/tests, or name another in the mark `service`"
Key = tuple[str | None, tuple[str, ...]]


class ServiceTestError(Exception):
    """A test of the service failed; the message is its own."""


class Runs:
    """The runs of the service's tests that a session needs, side by side."""

    def __init__(self, config: pytest.Config, items: list[pytest.Item], reports: Path) -> None:
        self.session, self.reports = config.stash[STATE], reports
        self.covers: dict[str, list[str]] = self.session.previous.get("covers", {})
        blocks = [block for block in self.session.blocks.values() if block.of_service]
        self.shown = dict[Path, frozenset[int]]()
        for block in blocks:
            if parses(block.file):
                self.shown[block.file] = self.shown.get(block.file, frozenset()) | block.lines
        resting = [item for item in items if item.get_closest_marker("service")]
        proves = [mark for item in resting for mark in item.iter_markers("proves")]
        self.declared = {mark.args[0] for mark in proves}  # files whose tests a page names
        keys = {key_of(item) for item in resting}
        self.pool, room = ThreadPoolExecutor(AT_ONCE), ROOT / "tests/service"
        self.found: Future[Found] | None = None
        if any(item.path.is_relative_to(room) for item in items):
            self.told = self.pool.submit(every, reports)
        else:
            named = {name for _, names in keys for name in names}
            doubted = {
                file: lines
                for file, lines in self.shown.items()
                if str(file.relative_to(SERVICE)) not in self.covers
            }
            shown = bool(self.shown)
            self.told = self.pool.submit(some, named, self.last(), doubted, shown=shown)
            self.found = self.pool.submit(linted, {*self.shown}) if self.shown else None
        self.twins: dict[Key, Future[Told]] = {
            key: self.pool.submit(patched, key[0], key[1]) for key in keys if key[0]
        }

    def last(self) -> set[str] | None:
        """Return the tests that ran the shown files last time, if all are known."""
        paths = [str(file.relative_to(SERVICE)) for file in self.shown]
        if any(p not in self.covers and f"service/{p}" not in self.declared for p in paths):
            return None
        return {test for path in paths for test in self.covers.get(path, ())}

    @cached_property
    def evidence(self) -> Told:
        """What the tests told, once they are done; the session knows it from then on."""
        told, session = self.told.result(), self.session
        for path, tests in told.lines.items():
            for test, lines in tests.items():
                session.cover(str(SERVICE / path), test and HOME + test, set(lines))
        for test, end in told.ended.items():
            session.seconds[HOME + test] = end["seconds"]
            if end["outcome"] == "passed":
                session.passed.add(HOME + test)
            if end["outcome"] == "failed":
                session.failed.add(HOME + test)
                session.crashes[HOME + test] = SERVICE / end["path"], end["line"], end["said"]
        if told.whole and not told.status:  # a test that failed ran lines too
            files = [path for path in told.lines if path.endswith(".py") and path[0] != "."]
            session.told["covers"] = {path: cover(session, path) for path in sorted(files)}
        if self.found:
            session.findings |= self.found.result()
        return told

    def hold(self, item: pytest.Item) -> None:
        """Fail as the service's tests do on which a test of a page rests.

        Without the patch they pass, or that is what is refused.
        """
        key = patch, names = key_of(item)
        twin = self.twins[key].result() if patch else None
        for name in names:
            ends = begun(item, name, None, self.evidence)
            self.session.hold_tests(HOME + test for test in ends)
            for end in ends.values():
                if end["outcome"] == "failed":
                    pytest.skip("it is refused already")  # one message for one fault
                if end["outcome"] == "skipped":
                    pytest.skip(end["said"])  # as the service's own test says
            self.session.passed.add(HOME + name)
            if twin:
                failed = begun(item, name, patch, twin).values()
                if all(end["outcome"] == "failed" for end in failed):
                    raise ServiceTestError("\n".join(end["said"] for end in failed))
            else:
                self.credit(item, {HOME + test for test in ends})

    def measured(self, item: pytest.Item) -> dict[str, Any]:
        """Return what the service's tests measured on which a test of a page rests."""
        ends = [self.evidence.ended.get(name, {}) for name in key_of(item)[1]]
        return {name: value for end in ends for name, value in end.get("measured", {}).items()}

    def credit(self, item: pytest.Item, tests: set[str]) -> None:
        """Credit a page's test with the lines that the service's tests ran."""
        for ran in list(self.session.lines.values()):
            if lines := set[int]().union(*(ran[test] for test in tests & ran.keys())):
                ran[item.nodeid] = lines

    def close(self) -> None:
        """End what still runs, each once: it may clean up."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        futures: set[Future[Any]] = {self.told, *self.twins.values()}
        told = set[Any]()
        while True:
            for process in RUNNING - told:
                process.terminate()
                told.add(process)
            if not wait(futures, timeout=0.2).not_done:
                return


def begun(item: pytest.Item, name: str, patch: str | None, told: Told) -> dict[str, End]:
    """Return how the tests of a name ended; refuse one that isn't there or never begins."""
    parts = f"{name}[", f"{name}::"
    ends = {t: end for t, end in told.ended.items() if t == name or t.startswith(parts)}
    if ends and all(end.get("when", "call") == "call" for end in ends.values()):
        return ends
    said = [end["said"] for end in told.ended.values() if end.get("when", "call") != "call"]
    broken = told.status in (2, 3, 4)  # it was interrupted, or can't read what it is to run
    said += told.said.splitlines() if broken else ["pytest finds no such test"]
    file, line = (SNIPPETS / patch, 1) if patch else (item.path, (item.location[1] or 0) + 1)
    reason = f"the service's test {name} does not begin: {next(filter(None, said), '')}"
    raise RefusedError(file, line, reason, NEXT)


def cover(session: Session, path: str) -> list[str]:
    """Return the tests that run together all lines of a file which any of them runs."""
    ran = session.lines[f"service/{path}"].items()
    own = {test: lines for test, lines in ran if test in session.passed and test.startswith(HOME)}
    return sorted(test.removeprefix(HOME) for test in session.fewest(own))


def key_of(item: pytest.Item) -> Key:
    """Return the patch of a test and the service's tests on which it rests."""
    mark, callspec = item.get_closest_marker("service"), getattr(item, "callspec", None)
    assert mark and mark.args, f"{item.nodeid}: pytest.mark.service names no test"
    return callspec and callspec.params.get("patch"), mark.args


def failing(patch: str, match: str) -> Any:
    """Return a value of the parameter `patch`, under which the test must fail as `match` says."""
    raises = pytest.RaisesExc(ServiceTestError, match=match)
    marks = pytest.mark.xfail(strict=True, raises=raises)  # the patch takes away what it needs
    return pytest.param(patch, marks=marks)


@pytest.fixture(scope="session")
def service_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """The service's tests, as far as this session needs them, which run beside it."""
    runs = Runs(request.config, request.session.items, tmp_path_factory.mktemp("service"))
    yield runs
    runs.close()


@pytest.fixture(scope="session", autouse=True)
def ahead(request: pytest.FixtureRequest) -> None:
    """Start the service's tests before all else: nothing takes longer."""
    if any(map(waits, request.session.items)):
        request.getfixturevalue("service_runs")


@pytest.fixture
def service(request: pytest.FixtureRequest, service_runs: Runs) -> Callable[[], None]:
    """What fails if the service's tests fail that the mark `service` names, under the `patch`."""
    return partial(service_runs.hold, request.node)


@pytest.fixture
def measured(request: pytest.FixtureRequest, service_runs: Runs) -> Callable[[], dict[str, Any]]:
    """What the service's tests measured that the mark `service` names, by name of the property."""
    return partial(service_runs.measured, request.node)
