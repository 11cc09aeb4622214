"""What the page on tiers claims: each gate passes on the service, and refuses its planted fault."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
import yaml
from coverage.results import should_fail_under
from mypy import api

from tests.engine.pages import DOCS, SNIPPETS, RefusedError
from tests.parts.gates import TIERS, Copy, Gate, GateError, command
from tests.parts.outputs import hold_lines
from tests.parts.service import BIN, plant
from tests.prove.sentences import sentences
from tests.service.conftest import shell

PAGE = DOCS / "start/tiers.md"
FOLDER = "start/tiers"
ADDRESSES, CONFIG = "tests/test_addresses.py", "tests/test_config.py"
LETTERS, MODULES = "tests/test_letters.py", f"{CONFIG} {ADDRESSES}"
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
    "Read in Change a schema while the service runs why what a migration removes comes last.",
    "Copy snippets/service/tiers.toml, snippets/service/dev/gate.py and snippets/service/dev/folders.py to the same places of your service.",
    "Write your own commands into the first table, drop from each tier the gates that you leave out, and run python -m dev.gate xs.",
    "Let hooks run tier XS at each commit and tier S at each push, as snippets/service/.pre-commit-config.yaml does once its hooks are installed.",
    "Name the tests of what you push as TEST in the environment, where the hook reads it.",
    "Run tier L on a server for each pull request, as snippets/service/.github/workflows/test.yml does, and let your repository refuse a merge before it passes.",
    "Put one fault at a time into a copy of your service, and run a tier there that has its gate: a gate that stays green checks nothing.",
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
        told = {name: self.copy.run(name, gate, MODULES) for name, gate in GATES.items()}
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
    "The planted test passes, and module refuses it: it imports one module of the package and calls nothing.",
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
    "XS | a typo in a comment, a sentence of the README | format, lint | none | one colleague, after the merge | with the next release",
    "S | a bug in one handler, a constant, a type annotation | format, lint, types, wiring, module | above 50% | one colleague | with the next release",
    "M | a new endpoint, a change of a table | format, lint, types, layers, wiring, suite | above 70% | an owner of the API or the table | what a migration adds, then the code, last what a migration removes",
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
    "module | tests of one module that fail, or that run too little of the package",
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
    "Tier S runs the tests that TEST names, and without it those of tests/test_handlers.py.",
)
@pytest.mark.proves("service/tiers.toml")
def test_each_tier_has_its_command() -> None:
    for typed in "make xs", "make s", "make m", "make l":
        tier = typed.removeprefix("make ")
        told = dry(typed, TEST=ADDRESSES)
        test = f" {ADDRESSES}" * (tier == "s")
        assert told.endswith(f"dev.gate {tier}{test}\n")
    assert dry("make s").endswith("dev.gate s tests/test_handlers.py\n")


def dry(typed: str, **environment: str) -> str:
    """Return what a command of the service's Makefile would run, as the environment has it."""
    outside = shell()
    outside.pop("TEST", None)
    done = subprocess.run(
        [*shlex.split(typed), "--dry-run", "READY="],
        cwd=SNIPPETS / "service",
        env=outside | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.holds(
    "The tests of settings start no app, and run too little of the package alone.",
    'So add others that do: make s TEST="tests/test_config.py tests/test_addresses.py".',
)
@pytest.mark.proves("service/tiers.toml")
def test_the_tests_of_one_module_may_run_too_little(runs: Runs) -> None:
    typed = 'make s TEST="tests/test_config.py tests/test_addresses.py"'
    assert dry(typed).endswith(f"dev.gate s {MODULES}\n")
    assert runs.green["module"]
    with pytest.raises(GateError) as refused:
        runs.copy.run("module", GATES["module"], "tests/test_config.py")
    assert str(refused.value) == "Required test coverage of 50.01% not reached"


@pytest.mark.holds(
    "The command stops at the first gate that fails.",
    "With a fault for each gate at once, make l tells you of the first alone, and module is no gate of tier L.",
)
@pytest.mark.proves("service/tiers.toml")
def test_a_tier_tells_of_the_first_gate_that_fails(runs: Runs) -> None:
    assert {*runs.red} == {*GATES}
    assert dry("make l").endswith("dev.gate l\n")
    done = gate(runs.copy.home, "l", BIN / "python")
    assert done.returncode
    assert re.findall(r"^l (\w+): failed$", done.stdout, re.MULTILINE) == ["format"]
    assert len(re.findall(r"^l \w+: ", done.stdout, re.MULTILINE)) == 2
    assert {*GATES} - {*TIERS["tiers"]["l"]["gates"]} == {"module"}


def gate(folder: Path, tier: str, python: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the gates of a tier in a folder."""
    return subprocess.run(
        [python, "-m", "dev.gate", tier], cwd=folder, capture_output=True, text=True
    )


def test_the_copied_files_run_the_gates_of_a_service_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in "tiers.toml", "dev/gate.py", "dev/folders.py":
        assert f"`snippets/service/{name}`" in PAGE.read_text()
        shutil.copy(SNIPPETS / "service" / name, tmp_path / name)
    tiers = tmp_path / "tiers.toml"
    own = re.sub(r"(?m)^format = .*", 'format = "python -c print(1)"', tiers.read_text())
    tiers.write_text(own.replace('["format", "lint"]', '["format"]'))
    done = gate(tmp_path, "xs", sys.executable)
    assert (done.returncode, done.stdout) == (0, "xs format: python -c 'print(1)'\n1\n"), done


def test_hooks_run_the_smallest_tiers() -> None:
    told = yaml.safe_load((SNIPPETS / "service/.pre-commit-config.yaml").read_text())
    assert told["default_install_hook_types"] == ["pre-commit", "pre-push"]
    hooks = {hook["entry"]: hook["stages"] for hook in told["repos"][0]["hooks"]}
    assert hooks == {"make xs": ["pre-commit"], "make s": ["pre-push"]}
    workflow = SNIPPETS / "service/.github/workflows/test.yml"
    assert "\n  pull_request:\n" in workflow.read_text()
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    assert job["steps"][-1]["run"] == "bash .ci/run"
    assert (SNIPPETS / "service/.ci/run").read_text().endswith("\nmake l\n")


@pytest.mark.holds(
    "mypy reads each file of its files, so it finds what a small change breaks in a file that the change doesn't touch.",
    "Without check_untyped_defs, which strict sets, mypy skips the body of a function without annotations.",
)
def test_types_find_what_breaks_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for state, made in ("before", "int"), ("after", "str"):
        (tmp_path / state).mkdir()
        orders, prices = (tmp_path / state / f"{name}.py" for name in ("orders", "prices"))
        orders.write_text(f"from {state}.prices import total\n\nfee: int = total() + 1\n")
        prices.write_text(f"def total() -> {made}:\n    return {made}()\n")
    bare = "from after.prices import total\n\ndef fee(): total() + 1\n"
    (tmp_path / "after/bare.py").write_text(bare)
    options = ["--no-incremental", "--config-file=", "--explicit-package-bases"]
    setting = "check_untyped_defs"
    told = [
        api.run([*options, *more, "before", "after"])[0]
        for more in ([], [f"--{setting.replace('_', '-')}"], ["--strict"])
    ]
    assert told[0].startswith("after/orders.py:3: error: ")
    assert "before/" not in told[0] and "prices.py" not in told[0]
    found = ["after/bare.py:3: error: Unsupported operand types" in each for each in told]
    assert found == [False, True, True]
    named = tomllib.loads((SNIPPETS / "service/pyproject.toml").read_text())["tool"]["mypy"]
    assert {"src", "tests"} <= {*named["files"]}
    assert TIERS["gates"]["types"] == "mypy"


@pytest.mark.holds(
    "The limits of coverage differ, because the tests do.",
    "The tests of tests/test_config.py and tests/test_addresses.py run less of the package than tier M asks for, and tier XS runs none.",
    "Coverage counts each module of the package, whether a test imports it or not.",
)
def test_coverage_is_of_the_whole_package(runs: Runs) -> None:
    assert runs.green
    wrote = "\n".join(runs.clean["module"])
    (total,) = re.findall(r"Total coverage: ([\d.]+)%", wrote)
    assert MODULES == "tests/test_config.py tests/test_addresses.py"
    assert float(total) < TIERS["tiers"]["m"]["coverage"]
    assert re.search(r"^src/accounts/scheduler.py .* 0.00%", wrote, re.MULTILINE)
    imported = (SNIPPETS / "service" / ADDRESSES).read_text()
    assert "scheduler" not in imported


@pytest.mark.holds(
    "Coverage is what the tests of module or suite run of the lines and branches of the whole package.",
    "Tier XS runs no test and checks no type, so take tier S for a constant or an import: each changes what the program does.",
)
@pytest.mark.proves("service/tiers.toml")
def test_coverage_is_what_two_gates_measure(
    runs: Runs, record_property: Callable[[str, str], None]
) -> None:
    assert runs.green
    header = r"^Name +Stmts +Miss +Branch +BrPart +Cover"
    assert re.search(header, "\n".join(runs.clean["module"]), re.MULTILINE)
    measured = {gate for gate, told in TIERS["gates"].items() if "{coverage}" in told}
    assert measured == {"module", "suite"}
    gates = set(TIERS["tiers"]["xs"]["gates"])
    tests, types = (
        "a" if {"module", "suite"} & gates else "no",
        "each" if "types" in gates else "no",
    )
    record_property("says", f"Tier XS runs {tests} test and checks {types} type")


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
        ("Do", rows, "what a migration adds, then", "its migration, then"),
        ("Don't: merge what a gate refuses", gates, "an import from a layer above", "an import"),
        ("Don't: merge what a gate refuses", gates, "survival |", "survives |"),
    ]:
        with pytest.raises(RefusedError, match=r"docs/start/tiers.md:\d+: .*tiers.toml .*Edit the"):
            hold_rows(header, [row.replace(old, new) for row in lines])
