"""What the page on tiers claims: each gate passes on the service, and refuses its planted fault."""

import re
import subprocess
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
from coverage.results import should_fail_under
from mypy import api

from tests.engine.pages import DOCS, SNIPPETS, RefusedError
from tests.parts.gates import TIERS, Copy, Gate, GateError, command
from tests.parts.outputs import hold_lines
from tests.parts.service import plant
from tests.prove.sentences import sentences

PAGE = DOCS / "start/tiers.md"
FOLDER = "start/tiers"
ADDRESSES, LETTERS = "tests/test_addresses.py", "tests/test_letters.py"
RECIPIENTS = f"{ADDRESSES}::test_all_recipients_are_found"
GATEWAY = "tests/survival/test_gateway.py"
FITS = f"{GATEWAY}::test_the_gateway_waits_longer_than_the_service_and_keeps_less"
FAILED = r"^(?:FAILED|ERROR) \S+"
ALONE = {"--numprocesses=2": "--numprocesses=0"}  # one test needs one process
GATES = {
    "format": Gate("files already formatted", r"^unformatted: .*|--> .*"),
    "lint": Gate("All checks passed!", r"^[A-Z]+\d+ .*|--> .*"),
    "types": Gate(
        "Success: no issues found",
        r"^.*: error: .*",
        {"mypy": "mypy src/accounts/urls.py"},
    ),
    "layers": Gate("Contracts: 3 kept, 0 broken.", r"^.* is not allowed .*|^- +\S+ -> \S+"),
    "wiring": Gate("Nothing is there in vain.", r"^(?:two|no app|nobody) .*"),
    "module": Gate(
        "Required test coverage of 50.01% reached.", rf"{FAILED}|Required .* not reached"
    ),
    "suite": Gate("1 passed", FAILED, {**ALONE, "--cov --cov-fail-under=70.01": RECIPIENTS}),
    "survival": Gate("1 passed", FAILED, {**ALONE, "tests/survival": FITS}),
}
PATCHES = {gate: f"{FOLDER}/{gate}.patch" for gate in GATES}
pytestmark = pytest.mark.timeout(1200)  # seconds: the first waits for all else, on a busy machine


INSTRUCTIONS = [
    "Name the tier of a change before you write it, and pass the gates of that tier before you merge it.",
    "If you don't know the tier, take the larger one.",
    "Keep the tiers in one file, from which all else is made.",
    "Copy snippets/service/tiers.toml and snippets/service/dev/gate.py, and write your own commands into the first table.",
    "Run tier XS at each commit and tier S at each push, as snippets/service/.pre-commit-config.yaml does.",
    "Run tier L on a server before you merge, as snippets/service/.github/workflows/test.yml does.",
    "Put one fault for each gate into a copy of your service, and run make l there: a gate that stays green checks nothing.",
]


JUDGEMENTS = [
    "Without tiers, we let a typo wait for the tests of a new process, or merge a new process after the checks of a typo.",
    "We call the size of a change its tier: it decides which checks the change passes, who reviews it, and how it is released.",
    "We recommend the last two columns, and no gate checks them: agree on your own.",
    "We run it from tier S on for that reason, not only for a change of the architecture.",
]


class Runs:
    """What the gates say of a copy of the service, as it stands and with all faults planted."""

    def __init__(self, base: Path) -> None:
        self.copy, self.clean = Copy(base / "copy"), dict[str, list[str]]()

    @cached_property
    def green(self) -> dict[str, str]:
        """What each gate says of the service as it stands."""
        told = {name: self.copy.run(name, gate, ADDRESSES) for name, gate in GATES.items()}
        self.clean = dict(self.copy.wrote)
        return told

    @cached_property
    def red(self) -> dict[str, str]:
        """What each gate finds once all faults are planted."""
        assert self.green
        plant(self.copy.home, *PATCHES.values())
        found = {}
        for name, gate in GATES.items():
            try:
                self.copy.run(name, gate, LETTERS)
            except GateError as error:
                found[name] = str(error)
        return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs of the gates, each once."""
    return Runs(tmp_path_factory.mktemp("tiers"))


def rows(told: dict[str, str]) -> list[str]:
    """Return what the gates wrote, each line with its gate."""
    return [f"{gate:9}{line}" for gate, text in told.items() for line in text.splitlines()]


def refused(gate: str, match: str) -> object:
    """Return a value of the parameter `patch`, which its gate must refuse as `match` says."""
    raises = pytest.RaisesExc(GateError, match=match)
    marks = pytest.mark.xfail(strict=True, raises=raises)  # the fault is what the gate is for
    return pytest.param(PATCHES[gate], marks=marks, id=gate)


@pytest.mark.holds(
    "Each patch plants just what one gate is there for.",
    "The planted test passes, and module refuses it: it runs nothing of the code.",
)
@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(None, id="as it stands"),
        refused("format", r"\Aunformatted: .*\n--> src/accounts/keys.py\Z"),
        refused("lint", r"\AF401 .* `os` imported but unused\n--> src/accounts/mail.py\Z"),
        refused("types", r"\Asrc/accounts/urls.py: error: No return value expected .*\Z"),
        refused("layers", r"\A.*\n- accounts.repositories.*-> accounts.services.letters\Z"),
        refused("wiring", r"\Atwo routes for GET /me: accounts.api.handlers.read_me and .*\Z"),
        refused("module", r"\ARequired test coverage of 50.01% not reached\Z"),
        refused("suite", rf"\AFAILED {RECIPIENTS}\Z"),
        refused("survival", rf"\AFAILED {FITS}\Z"),
    ],
)
def test_each_gate_passes_and_refuses_what_it_is_there_for(runs: Runs, patch: str | None) -> None:
    assert runs.green.keys() == TIERS["gates"].keys()
    if patch and (found := runs.red.get(Path(patch).stem)):
        raise GateError(found)


@pytest.mark.holds(
    "On the service as it stands, each gate passes:",
    "These runs are narrower than those of a tier: types reads one file, and suite and survival run one test each.",
)
@pytest.mark.proves(f"{FOLDER}/green.out")
def test_the_page_shows_how_gates_pass(runs: Runs, pytestconfig: pytest.Config) -> None:
    hold_lines(f"{FOLDER}/green.out", rows(runs.green), pytestconfig.option.update_examples)
    narrow = {name for name, gate in GATES.items() if gate.alone}
    assert narrow == {"types", "suite", "survival"}
    assert command("types", GATES["types"], "")[1:] == ["src/accounts/urls.py"]


@pytest.mark.holds(
    "Don't: merge what a gate refuses",
    "With all of them in one copy of the service, each gate finds its own and none of the others:",
)
@pytest.mark.proves(f"{FOLDER}/red.out")
def test_the_page_shows_what_gates_find(runs: Runs, pytestconfig: pytest.Config) -> None:
    hold_lines(f"{FOLDER}/red.out", rows(runs.red), pytestconfig.option.update_examples)
    for gate, found in runs.red.items():
        others = [(SNIPPETS / patch).read_text() for g, patch in PATCHES.items() if g != gate]
        files = re.findall(r"(?m)^\+{3} b/(\S+)", "\n".join(others))
        strange = [f for f in files if f in found or f.replace("/", ".")[4:-3] + " " in found]
        assert len(files) == len(GATES) - 1
        assert not strange, gate


def rows_of(tier: str) -> str:
    """Return the row of a tier as the page must have it."""
    told = TIERS["tiers"][tier]
    limit = f"above {told['coverage']}%" if "coverage" in told else "none"
    cells = [", ".join(told["examples"]), ", ".join(told["gates"]), limit]
    return " | ".join([tier.upper(), *cells, told["review"], told["release"]])


def hold_rows(header: str, wanted: list[str]) -> None:
    """Refuse rows of the page that aren't those of the service's data."""
    rows = [one for one in sentences(PAGE) if one.kind == "row" and one.heading == header]
    for row, text in zip(rows, wanted, strict=False):
        if row.text != text:
            reason = f"the page says {row.text!r}, and snippets/service/tiers.toml {text!r}"
            cure = "Edit the data of the service, then write its row here"
            raise RefusedError(PAGE, row.line, reason, cure)
    assert len(rows) == len(wanted)


@pytest.mark.holds(
    "Name the tier of a change",
    "The service keeps them in snippets/service/tiers.toml, which begins with the gates:",
    "XS | a typo, a constant, an import that nobody needs | format, lint | none | one colleague, after the merge | with the next release",
    "S | a bug in one handler, a type annotation | format, lint, types, wiring, module | above 50% | one colleague | with the next release",
    "M | a new endpoint, a change of a table | format, lint, types, layers, wiring, suite | above 70% | an owner of the API or the table | its migration first, then the code",
    "L | a new process, another broker, a layer more | format, lint, types, layers, wiring, suite, survival | above 80% | two colleagues, who see the design before the code | to one process first, with a way back",
)
@pytest.mark.proves("service/tiers.toml")
def test_the_tiers_are_those_of_the_service(record_property: Callable[[str, str], None]) -> None:
    hold_rows("Do", [rows_of(tier) for tier in TIERS["tiers"]])
    for tier in TIERS["tiers"].values():
        if "coverage" in tier:
            record_property("figure", str(tier["coverage"]))


@pytest.mark.holds(
    "format | a layout that the formatter would change",
    "lint | code that the linter's rules forbid",
    "types | a type that is not true",
    "layers | an import from a layer above",
    "wiring | a second route for one request, and what else is there in vain",
    "module | a change that its tests don't run",
    "suite | a change that breaks the test of another module",
    "survival | processes and settings that don't fit together",
)
@pytest.mark.proves(f"{FOLDER}/red.out")
def test_the_gates_are_those_of_the_service() -> None:
    told = TIERS["refuses"]
    hold_rows("Don't: merge what a gate refuses", [f"{gate} | {told[gate]}" for gate in told])
    assert told.keys() == TIERS["gates"].keys()


@pytest.mark.holds(
    "Run the gates of a tier with one command: make xs, make s, make m or make l.",
    "Tier S takes the tests of one module, which TEST names.",
)
@pytest.mark.proves("service/tiers.toml")
def test_each_tier_has_its_command() -> None:
    for typed in "make xs", "make s", "make m", "make l":
        tier = typed.removeprefix("make ")
        done = subprocess.run(
            [*typed.split(), "--dry-run", "READY=", f"TEST={ADDRESSES}"],
            cwd=SNIPPETS / "service",
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"dev.gate {tier}" in done.stdout
        assert (f"dev.gate s {ADDRESSES}" in done.stdout) == (tier == "s")


@pytest.mark.holds(
    "mypy reads the callers too, so it finds what a small change breaks in files that the change doesn't touch.",
)
def test_types_find_what_breaks_elsewhere(tmp_path: Path) -> None:
    told = []
    (tmp_path / "orders.py").write_text("from prices import total\n\nfee: int = total() + 1\n")
    for made in "int", "str":
        (tmp_path / "prices.py").write_text(f"def total() -> {made}:\n    return {made}()\n")
        options = ["--no-incremental", "--config-file=", str(tmp_path)]
        told.append(api.run(options))
    assert [status for _, _, status in told] == [0, 1]
    assert "orders.py:3: error: " in told[1][0]
    assert "prices.py" not in told[1][0]


@pytest.mark.holds(
    "The limits of coverage differ, because the tests do.",
    "The tests of one module run less of the package than tier M asks for, and tier XS runs none.",
    "Coverage counts each module of the package, whether a test imports it or not.",
)
def test_coverage_is_of_the_whole_package(runs: Runs) -> None:
    assert runs.green
    wrote = "\n".join(runs.clean["module"])
    (total,) = re.findall(r"Total coverage: ([\d.]+)%", wrote)
    assert float(total) < TIERS["tiers"]["m"]["coverage"]
    assert not {"module", "suite"} & set(TIERS["tiers"]["xs"]["gates"])
    assert re.search(r"^src/accounts/scheduler.py .* 0.00%", wrote, re.MULTILINE)
    imported = (SNIPPETS / "service" / ADDRESSES).read_text()
    assert "scheduler" not in imported


@pytest.mark.holds(
    "coverage.py passes at the limit itself, so the service asks for a hundredth more.",
)
def test_coverage_passes_at_its_limit() -> None:
    limits = [tier["coverage"] for tier in TIERS["tiers"].values() if "coverage" in tier]
    for limit in limits:
        assert not should_fail_under(float(limit), limit, 2)
        assert should_fail_under(float(limit), limit + 0.01, 2)
    assert "--cov-fail-under=50.01" in command("module", GATES["module"], ADDRESSES)


def test_a_tier_that_is_edited_in_one_place_is_refused() -> None:
    rows = [rows_of(tier) for tier in TIERS["tiers"]]
    gates = [f"{gate} | {told}" for gate, told in TIERS["refuses"].items()]
    for header, lines, old, new in [
        ("Do", rows, "above 70%", "above 60%"),
        ("Do", rows, "wiring, suite", "suite"),
        ("Do", rows, "L |", "XL |"),
        ("Do", rows, "two colleagues", "one colleague"),
        ("Do", rows, "its migration first", "the code first"),
        ("Don't: merge what a gate refuses", gates, "an import from a layer above", "an import"),
        ("Don't: merge what a gate refuses", gates, "survival |", "survives |"),
    ]:
        with pytest.raises(RefusedError, match=r"docs/start/tiers.md:\d+: .*tiers.toml .*Edit the"):
            hold_rows(header, [row.replace(old, new) for row in lines])
