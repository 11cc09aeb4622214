"""What the page on properties claims: each property sees a planted bug, and shrinks it."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import HTTPException
from hypothesis import Phase, given, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import DeadlineExceeded, FailedHealthCheck, Flaky
from hypothesis.strategies import integers
from schemathesis.errors import FailureGroup

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.evidence import failing
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/properties"
HERE = SNIPPETS / FOLDER
ROWS = {row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"}
PADDED = ":02}", "}"
QUIET = "@settings(deadline=None)"
FEWER = "@settings(settings.get_profile('ci'), max_examples=MOST, phases=list(settings.default.phases)[:-1])"
BOUND = "Path(ge=1, lt=2**31)", "Path(ge=1)"
CONTINUOUS = {"CI", "TF_BUILD", "GITHUB_ACTIONS"}
Plant = Callable[..., ModuleType]
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Find the inputs that nobody thought of",
    "Write down what holds for each input, let Hypothesis choose the inputs, and see it find a fault that you planted.",
    "If you don't know what holds for each input, write the input, read it back, and compare.",
    "Install hypothesis and pytest, and run the file with pytest.",
    "Add that price to the test with example, so that each later run begins with it.",
    "Don't choose all inputs yourself",
    "Don't return where an input doesn't fit",
    "Use a strategy that draws what fits, such as integers above.",
    "Do: hold the API against its schema",
    "Install fastapi and schemathesis, and uvicorn to look at the schema at /openapi.json.",
    "Don't pass a group of failures on",
    "Don't let a fault into the service",
    "Begin with two functions that undo each other: write and read, encode and decode.",
    "Take a schema next, and read back each input that it accepts.",
    "Run Schemathesis on the whole API last, with a token that may do all.",
    "Draw other inputs each night, and more of them, with this profile in conftest.py:",
    "Run pytest with nightly as its Hypothesis profile.",
]


JUDGEMENTS = [
    "We call what a test says of each input, instead of some, a property.",
    "We call tests of properties property-based testing, and the search for requests that fail fuzzing.",
]


@pytest.fixture(autouse=True)
def home() -> None:
    """Let Hypothesis keep its table of Unicode in the environment, where it makes it once.

    The inputs are the same in each run, as in a pipeline.
    """
    set_hypothesis_home_dir(Path(sys.prefix, "hypothesis"))
    settings.load_profile("ci")


@pytest.fixture
def plant(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    """What gives the snippet with some of its text replaced."""

    def planted(*changes: tuple[str, str]) -> ModuleType:
        text = Path(str(snippet.__file__)).read_text()
        for old, new in [*changes, (QUIET, FEWER)] if QUIET in text else changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        module, file = ModuleType("planted"), tmp_path / "planted.py"
        file.write_text(text)
        monkeypatch.setitem(sys.modules, "planted", module)
        module.MOST = 60  # type: ignore[attr-defined]  # inputs
        exec(compile(text, str(file), "exec"), vars(module))  # noqa: S102  it is the block
        return module

    return planted


def told(test: Callable[[], Any]) -> str:
    """Return what a property says when it fails, or nothing."""
    try:
        test()
    except (AssertionError, ValueError, FailureGroup) as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    return ""


@pytest.mark.holds(
    "An invoice shows 1.5 for a price of 1.05, and all tests are green.",
    "Remove :02, and the test is red.",
    "Hypothesis then tries smaller prices, and reports the smallest that fails: cents=0.",
    "No text that Hypothesis draws is a price, so the assertion never runs, whatever show returns.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/inverse.py",
        dont(f"{FOLDER}/chosen.py", "a price of 1.05 is shown as 1.5, and the test is green"),
        dont(f"{FOLDER}/returned.py", "a price of 1.05 is shown as 1.5, and the test is green"),
    ],
    indirect=True,
)
def test_a_planted_bug_turns_the_property_red(snippet: ModuleType, plant: Plant) -> None:
    def run(module: ModuleType) -> str:
        test = module.test_a_price_is_read_back
        marks = getattr(test, "pytestmark", [])
        chosen = marks[0].args[1] if marks else []
        return "".join(told(lambda: test(cents)) for cents in chosen) if marks else told(test)  # noqa: B023  the lambda is called at once

    assert run(snippet) == ""
    assert (snippet.show(105), snippet.read("1.05")) == ("1.05", 105)
    with pytest.raises(ValueError, match=r"1\.5"):
        snippet.read("1.5")
    broken = plant(PADDED)
    assert broken.show(105) == "1.5"
    found = run(broken)
    assert found, "a price of 1.05 is shown as 1.5, and the test is green"
    assert "    cents=0,\n" in found


@pytest.mark.holds(
    "Write reject() in place of return, and Hypothesis refuses the test with FailedHealthCheck.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/returned.py"], indirect=True)
def test_a_test_of_nothing_is_refused(snippet: ModuleType, plant: Plant) -> None:
    snippet.test_a_price_is_read_back.hypothesis.inner_test("1.05")  # what Hypothesis never draws
    rejecting = plant(
        ("        return\n", "        reject()\n"), ("import given", "import given, reject")
    )
    with pytest.raises(FailedHealthCheck):
        rejecting.test_a_price_is_read_back()


SMALLEST = "curl -X GET http://testserver/orders/2147483648"


@pytest.mark.holds(
    "Schemathesis draws requests that the schema allows, and compares each answer with it.",
    "Remove lt=2**31, and Schemathesis finds the request that gets 500.",
    "It reports curl -X GET http://testserver/orders/2147483648, which has the smallest number that fails.",
    "FailureGroup is no Exception, so Hypothesis ends at once, and tries no smaller request.",
    "A test that is green doesn't tell one version from the other.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/contract.py",
        dont(f"{FOLDER}/grouped.py", "the request that it reports is not the smallest"),
    ],
    indirect=True,
)
def test_the_schema_is_held_and_shrunk(
    snippet: ModuleType, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = settings(settings.get_profile("ci"), phases=[Phase.generate])
    monkeypatch.setattr(snippet, "settings", lambda **given: settings(fewer, **given))
    assert told(snippet.test_each_answer_is_in_the_schema) == ""
    assert asyncio.run(snippet.read_order(7)) == "book"
    with pytest.raises(HTTPException):
        snippet.find(2**31)
    with pytest.raises(HTTPException):
        asyncio.run(snippet.read_order(1000))
    with monkeypatch.context() as patch:
        find = snippet.find
        patch.setattr(snippet, "find", lambda _: find(2**31))
        with pytest.raises((AssertionError, FailureGroup)):
            snippet.test_each_answer_is_in_the_schema()
    assert not issubclass(FailureGroup, Exception)
    unbounded, asked = plant(BOUND), list[int]()
    find = unbounded.find

    def noting(number: int) -> Any:
        asked.append(number)
        return find(number)

    unbounded.find = noting  # type: ignore[attr-defined]  # to count
    unbounded.MOST = 2000  # type: ignore[attr-defined]  # some orders of a set hide it for long
    said = told(unbounded.test_each_answer_is_in_the_schema)
    assert "500" in said
    assert min(asked) >= 1
    failed = [number for number in asked if number >= 2**31]
    assert SMALLEST in said, "the request that it reports is not the smallest"
    assert len(set(failed)) > 1


@pytest.mark.parametrize("snippet", [f"{FOLDER}/contract.py"], indirect=True)
def test_an_answer_that_the_schema_does_not_know_is_found(plant: Plant) -> None:
    silent = plant(('{404: {"description": "no order"}}', "{}"))
    assert "Undocumented" in told(silent.test_each_answer_is_in_the_schema)


@pytest.mark.holds(
    "Look at seen: where no request asks for an order that is there, each answer is 404, and the test would hold nothing else.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/contract.py"], indirect=True)
def test_each_kind_of_answer_is_seen(plant: Plant) -> None:
    orders = 'dict.fromkeys(range(1, 1000), "book")'
    assert told(plant().test_each_answer_is_in_the_schema) == ""
    rare = plant((orders, '{2**31: "book"}'))
    assert "{404}" in told(rare.test_each_answer_is_in_the_schema)
    blind = plant((orders, '{2**31: "book"}'), ("seen == {200, 404}, seen", "seen == {404}"))
    assert told(blind.test_each_answer_is_in_the_schema) == ""


NAMES = "tests/test_properties.py::test_an_accepted_name_is_one_line"
ANSWERS = "tests/survival/test_schema.py::test_each_answer_about_a_user_is_in_the_schema"


@pytest.mark.holds(
    "This patch lets control characters into a name:",
    "The two tests below find these faults, and shrink them to a name of three characters and to /users/1.",
)
@pytest.mark.service(NAMES)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/names.patch", r"'0\\x1e0'")])
def test_a_name_of_two_lines_is_found(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "This patch forgets to say in the schema that a user may be missing:",
    "The two tests below find these faults, and shrink them to a name of three characters and to /users/1.",
)
@pytest.mark.service(ANSWERS)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/answers.patch", r"/users/1\b")])
def test_an_answer_that_the_schema_lacks_is_found(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "The service is asked for what nobody thought of",
    "A property of its schema sees each name that it accepts:",
)
@pytest.mark.service(NAMES)
@pytest.mark.proves("service/tests/test_properties.py")
def test_the_service_states_a_property_of_names(service: Holds) -> None:
    service()


@pytest.mark.holds("Schemathesis asks a running server:")
@pytest.mark.service(ANSWERS)
@pytest.mark.proves("service/tests/survival/test_schema.py")
def test_the_service_is_held_against_its_schema(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "default | others in each run | 200 milliseconds",
    "ci | the same in each run | none",
    "Hypothesis takes ci where the variable CI is set.",
    "With the same inputs, a pipeline is never red by chance, and it finds nothing new.",
    "@settings(deadline=None) takes the rest from the profile of the run.",
    "A property that sets a whole profile, as those of the service set ci, keeps it: each night draws the same inputs.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/nightly.py"], indirect=True)
def test_what_each_profile_does(snippet: ModuleType, record_property: Any) -> None:
    default, ci = (settings.get_profile(name) for name in ("default", "ci"))
    found = set()
    for name, profile in {"default": default, "ci": ci}.items():
        inputs = "the same" if profile.derandomize else "others"
        limit = (
            profile.deadline and f"{profile.deadline / timedelta(milliseconds=1):g} milliseconds"
        )
        found.add(f"{name} | {inputs} in each run | {limit or 'none'}")
        record_property("figure", limit)
    assert found == ROWS
    command = [
        sys.executable,
        "-c",
        "import hypothesis as h; print(h.settings.default.derandomize)",
    ]
    outside = {k: v for k, v in os.environ.items() if k not in CONTINUOUS}
    for variables in ({}, {"CI": "1"}):
        done = subprocess.run(
            command, env={**outside, **variables}, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{bool(variables)}\n"
    nightly, drawn = settings.get_profile("nightly"), list[list[int]]()
    settings.register_profile("shorter", nightly, max_examples=100)
    for name, own in [
        *[("ci", {})] * 2,
        *[("shorter", {})] * 2,
        *[("shorter", {"parent": ci})] * 2,
    ]:
        numbers = list[int]()
        settings.load_profile(name)

        @settings(**own, deadline=None)  # type: ignore[arg-type]  # of whatever a test sets
        @given(integers())
        def draw(number: int) -> None:
            numbers.append(number)  # noqa: B023  the lambda is called at once  each run has its own

        draw()
        drawn.append(numbers)
    assert drawn[0] == drawn[1]
    assert drawn[2] != drawn[3]
    assert drawn[4] == drawn[5]
    settings.load_profile("nightly")
    quiet = settings(deadline=None)
    assert (quiet.max_examples, quiet.derandomize) == (10_000, False)
    settings.load_profile("ci")
    assert nightly.max_examples == 10_000
    assert ci.max_examples == 100
    for name in ("inverse", "returned", "contract", "grouped"):
        assert QUIET in (HERE / f"{name}.py").read_text()
    for name in ("test_properties", "survival/test_schema"):
        text = (SNIPPETS / f"service/tests/{name}.py").read_text()
        assert re.search(r'@(settings\(settings.get_profile\("ci"\)|examples\(CI, )', text)


@pytest.mark.holds(
    "A limit for each input is a verdict of the clock: a busy machine ends in DeadlineExceeded.",
)
def test_a_limit_is_a_verdict_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [0.0]

    def late() -> float:
        busy[0] += 10  # seconds that pass between two looks at the clock
        return busy[0]

    @settings(settings.get_profile("ci"), deadline=timedelta(milliseconds=200))
    @given(integers())
    def check(number: int) -> None:
        assert number == number

    check()
    monkeypatch.setattr("hypothesis.core.time.perf_counter", late)
    with pytest.raises((DeadlineExceeded, Flaky)):
        check()
