"""What the page on reading changes claims: no gate sees a fault, and a test of the service does."""

import json
import re
import shlex
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from mypy.errorcodes import error_codes

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.evidence import ServiceTestError
from tests.parts.service import (
    BIN,
    CACHE,
    GATES,
    SERVICE,
    TOOLS,
    Told,
    copied,
    ended,
    plant,
    pytest_in,
    recorded,
)
from tests.prove.sentences import sentences

FOLDER = "review/reading"
TESTS = {
    "swallowed": "test_mail.py::test_a_talk_ends_at_its_deadline_and_sends_nothing_more[RCPT-MailDelayedError]",
    "unawaited": "test_worker.py::test_a_user_that_is_gone_gets_no_mail",
    "premature": "test_relay.py::test_what_the_broker_did_not_take_stays_due",
    "untimed": "test_waits.py::test_those_that_are_no_requests_have_them_too",
    "logged": "test_middleware.py::test_a_creation_tells_which_message_follows_and_not_to_whom",
    "shared": "test_handlers.py::test_a_change_can_be_refused",
    "blocking": "test_relay.py::test_the_broker_is_waited_for_in_another_thread",
    "stale": "test_cache_away.py::test_a_silence_is_not_waited_for_twice",
    "unlimited": "test_events.py::test_a_reader_that_falls_behind_is_let_go",
    "endless": "test_passing.py::test_what_the_database_undid_is_tried_again_once[40001-2-503-2]",
}
WORDS = {4: "four", 5: "five", 10: "ten"}
NAME = "test_handlers.py::test_a_change_leaves_alone_what_it_does_not_name"
HALVES = [*TESTS][:5], [*TESTS][5:]
ORDER = [*HALVES[1], *HALVES[0]]  # two change one file, and apply so
CHECK = tomllib.loads((SNIPPETS / FOLDER / "awaitable.toml").read_text())["tool"]["mypy"]
ALL = "ruff check --isolated --select=ALL --preview --target-version=py311 --no-cache --quiet"
AT_ONCE = int(
    re.findall(r"(?m)^AT_ONCE = (\d+)$", (SERVICE / "src/accounts/cache.py").read_text())[0]
)
pytestmark = pytest.mark.timeout(600)  # seconds: it waits for all else, on a busy machine


INSTRUCTIONS = [
    "Read a change for what no tool sees",
    "Look for such a fault where a task is cancelled, where a part fails, and where two tasks run at once.",
    "Ask of each line of a pull request what becomes of it when it is cancelled, when it fails, and when two tasks run it.",
    "If you don't know the answer, ask for a test that does.",
    "Put these questions to each line",
    "Ask who else runs between two lines: at an await, each other task may, and another thread or process at any line.",
    "Ask what goes on when its task is cancelled here.",
    "Ask what is noted as done when the next line fails.",
    "Ask what ends a loop, a wait and a queue that grows.",
    "Ask whether a call runs at all, and whether it blocks.",
    "Ask who can read what is written to a log.",
    "Don't approve these ten changes",
    "Find the one fault in each change of the service, and the moment in which it shows, before you unfold the answer.",
    "See what it breaks",
    "Look for what catches CancelledError, also an except without a name or of BaseException, and a return in a finally, and ask what runs after it.",
    "Look for gather, and ask which session each of its calls uses.",
    "Look for a function that came as an argument, and is called without await.",
    "Look for an await that goes away, and ask how long its call takes.",
    "Look for each line that notes a success, and ask what it is worth when the next line fails.",
    "Look for an await or an async with between a check and what it guards, which lets a race condition in.",
    "Look for a queue, a list or a gather that nothing limits.",
    "Look for while True, and ask what ends it.",
    "Look for each timeout that goes away, and for each wait without a timeout.",
    "Look at each value that is logged, and ask what it may hold.",
    "Read what the change promises, then its tests, then its lines.",
    "Put the questions to each line, and begin with those that have an await, or lost one.",
    "Write a test that fails for each fault that you find, and mend it then.",
    "Keep the patch of a fault that came twice, and show it to new colleagues.",
]


def patch_of(fault: str) -> str:
    """Return the patch that plants a fault."""
    return f"{FOLDER}/{fault}.patch"


def told_by(half: int) -> Told:
    """Run the tests of all faults on a copy that has the faults of one half."""
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        copy, folder = copied(base, *map(patch_of, HALVES[half])), Path(base, "told")
        folder.mkdir()
        named = [f"tests/{name}" for name in (*TESTS.values(), NAME)]
        left = "-Wignore::pytest.PytestUnraisableExceptionWarning"  # by one fault, seen in another
        status, said = pytest_in(copy, folder, "those", left, *named, measured=False)
        told = recorded(folder)
    assert status == 1, said
    assert told.ended.keys() == {*named}, said
    return told


def run(copy: Path, command: str) -> CompletedProcess[str]:
    """Run a tool of the service in a copy."""
    program, *options = shlex.split(command)
    return ended([f"{BIN}/{program}", *options], cwd=copy)


def gates_with_all() -> dict[str, CompletedProcess[str]]:
    """Return what gates say of a copy that has all faults, and all rules of Ruff with and without."""
    told = {}
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        copy = copied(base)
        every = f"{ALL} --line-length=88 --output-format=json-lines src"
        told["clean"] = run(copy, every)
        plant(copy, *map(patch_of, ORDER))
        told["faulty"] = run(copy, every)
        for gate in "format", "lint", "layers":
            told[gate] = run(copy, GATES[gate])
        codes = [*TOOLS["mypy"]["enable_error_code"], *CHECK["enable_error_code"]]
        text = (copy / "pyproject.toml").read_text()
        text = re.sub(r"enable_error_code = .*", f"enable_error_code = {codes}", text)
        (copy / "pyproject.toml").write_text(text)
        told["types"] = run(copy, f"mypy --pretty --cache-dir={CACHE} src")
    return told


class Runs:
    """What tests and gates say, each run once, two at a time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.gates = pool.submit(gates_with_all)
        self.tests: list[Future[Told]] = [pool.submit(told_by, half) for half in (0, 1)]

    def said(self, fault: str, half: int) -> str | None:
        """Return what the test of a fault says in the copy with one half, or None if it passes."""
        end = self.tests[half].result().ended[f"tests/{TESTS[fault]}"]
        assert end.get("when", "call") == "call"
        return end["said"] if end["outcome"] == "failed" else None

    def red(self, fault: str) -> str:
        """Return what the test of a fault says of it."""
        return self.said(fault, fault in HALVES[1]) or ""


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """The runs that all tests share."""
    with ThreadPoolExecutor(2) as pool:
        yield Runs(pool)


def fails(fault: str, match: str) -> object:
    """Return a value of the parameter `patch`, of which its test must say what matches."""
    raises = pytest.RaisesExc(ServiceTestError, match=match)
    marks = pytest.mark.xfail(strict=True, raises=raises)  # the fault is what the test is for
    return pytest.param(patch_of(fault), marks=marks, id=fault)


@pytest.mark.holds(
    "Five of them were planted in one copy of the service, and five in another.",
    "In each copy, the tests of the other five pass.",
)
@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(None, id="without it"),
        fails("swallowed", r"\AFailed: DID NOT RAISE MailDelayedError\Z"),
        fails("unawaited", r"\Aassert <accounts\.models\.message\.Message object at \w+> is None"),
        fails("premature", r"\Aassert 0 == 1\Z"),
        fails("untimed", r"\AAssertionError: assert '0' == '2s'"),
        fails(
            "logged", r"\AAssertionError: the log tells what it must not\nassert '[^'@]+' not in "
        ),
        fails("shared", r"\Aassert 500 == 409\n"),
        fails("blocking", r"\Aassert \[True, False\] == \[False, False\]"),
        fails("stale", r"\Aassert 250 == 25\n"),
        fails("unlimited", r"\AAssertionError: assert \{<Queue [^$]* maxsize=0 _queue="),
        fails("endless", r"\Aassert 200 == 503\n"),
    ],
)
def test_each_fault_fails_a_test_that_passes_without_it(
    runs: Runs, patch: str | None, record_property: Callable[[str, str], None]
) -> None:
    if patch:
        raise ServiceTestError(runs.red(Path(patch).stem))
    halves = {WORDS[len(half)] for half in HALVES}
    record_property("figure", f"{halves.pop()} of")
    for fault in TESTS:
        assert runs.said(fault, fault in HALVES[0]) is None, fault


@pytest.mark.holds(
    "ruff check, mypy and lint-imports find nothing in a change, and with it a mail that never left counts as sent.",
    "No rule of Ruff, also of those in preview, finds more in the service with all ten than without them.",
)
@pytest.mark.proves(patch_of("swallowed"))
def test_no_gate_sees_a_fault(runs: Runs, record_property: Callable[[str, str], None]) -> None:
    record_property("figure", f"{WORDS[len(ORDER)]} than")
    told = runs.gates.result()
    for gate in "format", "lint", "layers":
        assert told[gate].returncode == 0, told[gate].stdout
    assert (GATES["lint"], GATES["types"]) == ("ruff check .", "mypy")
    assert GATES["layers"].startswith("lint-imports ")
    before, after = (
        Counter((found["code"], Path(found["filename"]).name) for found in map(json.loads, lines))
        for lines in (told[name].stdout.splitlines() for name in ("clean", "faulty"))
    )
    assert before
    assert before == after
    assert runs.red("swallowed") == "Failed: DID NOT RAISE MailDelayedError"


@pytest.mark.holds(
    "mypy sees one of the ten when you ask it:",
    "With these lines, mypy reports change() with unused-awaitable, and nothing else in the ten changes.",
    "Without the last line it reports nothing, also with strict.",
)
@pytest.mark.proves(f"{FOLDER}/awaitable.toml")
def test_mypy_sees_one_when_it_is_asked(
    runs: Runs, record_property: Callable[[str, str], None]
) -> None:
    for after in "when", "changes":
        record_property("figure", f"{WORDS[len(TESTS)]} {after}")
    lines = runs.gates.result()["types"].stdout.splitlines()
    (number,) = [number for number, line in enumerate(lines) if ": error: " in line]
    assert lines[number].startswith("src/accounts/services/delivery_service.py:")
    assert "[unused-awaitable]" in "".join(lines[number : number + 2])
    assert "change()" in map(str.strip, lines)
    assert CHECK == {"strict": True, "enable_error_code": ["unused-awaitable"]}
    assert not error_codes["unused-awaitable"].default_enabled
    assert TOOLS["mypy"]["strict"]
    assert "unused-awaitable" not in TOOLS["mypy"]["enable_error_code"]


def changed(fault: str) -> tuple[list[str], list[str]]:
    """Return the lines that a fault adds, and those that it takes away."""
    text = (SNIPPETS / patch_of(fault)).read_text().partition("@@")[2]
    added, lost = (re.findall(rf"(?m)^{sign} *(.+)$", text) for sign in (r"\+", "-"))
    return added, lost


@pytest.mark.holds("Four of the ten change no line with an await.")
@pytest.mark.proves(patch_of("stale"))
def test_some_faults_stand_in_no_line_with_an_await(
    record_property: Callable[[str, str], None],
) -> None:
    without = [
        fault
        for fault in TESTS
        if not re.search(r"\bawait\b", "\n".join(line for part in changed(fault) for line in part))
    ]
    assert without == ["untimed", "logged", "stale", "unlimited"]
    record_property("figure", f"{WORDS[len(without)]} of")
    record_property("figure", f"{WORDS[len(TESTS)]} change")


@pytest.mark.holds(
    "test_a_talk_ends_at_its_deadline_and_sends_nothing_more says DID NOT RAISE MailDelayedError.",
    "test_a_change_can_be_refused says assert 500 == 409.",
    "test_a_user_that_is_gone_gets_no_mail finds the message.",
    "test_the_broker_is_waited_for_in_another_thread says assert [True, False] == [False, False].",
    "test_what_the_broker_did_not_take_stays_due says assert 0 == 1.",
    "test_a_silence_is_not_waited_for_twice says assert 250 == 25.",
    "test_a_reader_that_falls_behind_is_let_go says maxsize=0.",
    "test_what_the_database_undid_is_tried_again_once says assert 200 == 503.",
    "test_those_that_are_no_requests_have_them_too fails.",
    "test_a_creation_tells_which_message_follows_and_not_to_whom says the log tells what it must not.",
)
@pytest.mark.proves(patch_of("stale"))
def test_the_page_tells_what_each_test_says(
    runs: Runs, record_property: Callable[[str, str], None]
) -> None:
    says = {
        "swallowed": "DID NOT RAISE MailDelayedError",
        "premature": "assert 0 == 1",
        "logged": "the log tells what it must not",
        "shared": "assert 500 == 409",
        "blocking": "assert [True, False] == [False, False]",
        "stale": "assert 250 == 25",
        "unlimited": "maxsize=0",
        "endless": "assert 200 == 503",
    }
    told = {one.text for one in sentences(DOCS / f"{FOLDER}.md")}
    for fault, test in TESTS.items():
        name = test.partition("::")[2].partition("[")[0]
        assert says.get(fault, "assert ") in runs.red(fault)
        ends = [f"says {says[fault]}."] if fault in says else ["fails.", "finds the message."]
        assert {f"{name} {end}" for end in ends} & told, fault
    for figure in re.findall(r"\d+", " ".join(map(runs.red, says))):
        record_property("figure", figure)


@pytest.mark.holds(
    "At the deadline, timeout_at cancels the talk, and suppress ends the cancellation: the mailer returns as if the mail were sent.",
    "change() makes a coroutine, and nobody awaits it: the message stays in the outbox when its work is done.",
    "mypy reports the forgotten await of a coroutine, and the type of this one is Awaitable.",
    "The broker fails, and the message is marked as taken: it isn't due before relay_retry_after has passed.",
    "The server gets no limits: lock_timeout is 0 instead of 2s.",
    "The payload holds the secret that confirms the address, and the log tells it.",
)
@pytest.mark.proves(patch_of("swallowed"))
def test_what_the_first_half_breaks(runs: Runs) -> None:
    assert "with contextlib.suppress(asyncio.CancelledError):" in changed("swallowed")[0]
    assert runs.red("swallowed") == "Failed: DID NOT RAISE MailDelayedError"
    added, lost = changed("unawaited")
    assert (added[-1], lost[-1]) == ("change()", "return await change()")
    assert "change: Callable[[], Awaitable[None]]" in "".join(added)
    assert "Message object" in runs.red("unawaited")
    assert error_codes["unused-coroutine"].default_enabled
    added, lost = changed("premature")
    assert (added, runs.red("premature")) == (lost, "assert 0 == 1")
    marks = "await outbox.mark_relayed(taken, settings.relay_retry_after)"
    assert marks in (SNIPPETS / patch_of("premature")).read_text()
    assert "assert '0' == '2s'" in runs.red("untimed")
    asked = (SERVICE / "tests" / TESTS["untimed"].partition("::")[0]).read_text()
    assert 'fetchval("SHOW lock_timeout") == "2s"' in asked
    assert "message=message.payload" in changed("logged")[0][0]


@pytest.mark.holds(
    "Two tasks flush one session, and the answer to an address that is taken is 500.",
    "A change of the name flushes once, so its test is green.",
    "held waits for the broker, and now it waits in the thread of the event loop.",
    "The questions wait for a place after the check, and none of them looks again: 250 of them ask a silent server, instead of 25.",
    "A queue without a size is never full: what its reader doesn't read stays in memory.",
    "Nobody counts the tries: what the database undoes twice is tried a third time.",
)
@pytest.mark.proves(patch_of("stale"))
def test_what_the_second_half_breaks(
    runs: Runs, record_property: Callable[[str, str], None]
) -> None:
    wrong, right = re.findall(r"assert (\d+) == (\d+)", runs.red("shared"))[0]
    assert (int(wrong), int(right)) == (500, 409)
    for half in runs.tests:
        assert half.result().ended[f"tests/{NAME}"]["outcome"] == "passed"
    assert runs.red("blocking").startswith("assert [True, False] == ")
    many, few = re.findall(r"assert (\d+) == (\d+)", runs.red("stale"))[0]
    assert (int(many), int(few)) == (10 * AT_ONCE, AT_ONCE)
    assert "maxsize=0" in runs.red("unlimited")
    assert changed("unlimited")[0] == ["events = Events()"]
    assert runs.red("endless").startswith("assert 200 == 503")
    for figure in (wrong, f"{many} of", few):
        record_property("figure", figure)
