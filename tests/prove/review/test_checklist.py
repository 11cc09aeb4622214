"""What the page on checklists claims: each line has a command with its red run, or asks."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import ROOT, SNIPPETS, RefusedError
from tests.parts.gates import TIERS
from tests.parts.outputs import hold_lines
from tests.parts.service import BIN, SERVICE, TOOLS
from tests.prove.twins import dont

FOLDER = "review/checklist"
QUESTIONS = SNIPPETS / FOLDER / "questions.toml"
GATES = SNIPPETS / "start/tiers"
PLANTED = '''"""What a fault in each line looks like."""

import sys
import os
from json import *


def read(path: str) -> str:
    password = "hunter2"
    try:
        return loads(os.environ[password] + path + sys.argv[0])
    except Exception:
        pass
    return ""
'''


INSTRUCTIONS = [
    "Look for a list on which each box is ticked, and a fault that went through all the same.",
    "Let a command settle what it can, and write all else as a question that a person answers.",
    "If you don't know whether a command sees a fault, run it on that fault.",
    "Don't take a line that asks nothing",
    "Copy the list of a tier",
    "Read both runs in Name the tier of a change.",
    "Copy snippets/service/tiers.toml, questions.toml and checklist.py, and write your own gates and questions.",
    "Let the server run the tier, so that nobody ticks the first box by hand.",
    "Put the list of the tier into the template of your pull requests.",
    "Take a question out when nobody answers it any more, and let a gate settle it where one can.",
    "Run python checklist.py tiers.toml questions.toml m in the build.",
]


JUDGEMENTS = [
    'We would tick "Docstrings on complex functions" for any change: nobody can say which function is complex.',
]


def gates_of(tier: str, green: str, red: str) -> list[str]:
    """Return the gates of a tier, or refuse one that was never seen green, or never red."""
    for gate in TIERS["tiers"][tier]["gates"]:
        for name, runs in ("green", green), ("red", red):
            if not any(line.split()[0] == gate for line in runs.splitlines()):
                cure = "Plant what it is there for in tests/prove/start/test_tiers.py"
                reason = f"the gate {gate} of tier {tier} has no {name} run"
                raise RefusedError(GATES / f"{name}.out", 1, reason, cure)
    return list(TIERS["tiers"][tier]["gates"])


def found(text: str) -> set[str]:
    """Return the rules of the service's Ruff that a module of it would break."""
    options = ["--quiet", "--no-cache", "--output-format=concise"]
    command = [f"{BIN}/ruff", "check", *options, "--stdin-filename=src/accounts/planted.py", "-"]
    done = subprocess.run(command, cwd=SERVICE, input=text, capture_output=True, text=True)
    assert not done.stderr
    return {line.split()[1] for line in done.stdout.splitlines()}


@pytest.mark.holds(
    "Write a checklist of commands and questions",
    "Look at vague: it names each line without a question mark, and can't tell whether anybody can answer the others.",
    '"Docstrings on complex functions" stands in the list, and each reviewer ticks it.',
    "A line that asks nothing ends it with the file, the line and what to do.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/checklist.py",
        dont(f"{FOLDER}/ticked.py", "Docstrings on complex functions stands in the list"),
    ],
    indirect=True,
)
def test_a_line_that_asks_nothing_is_refused(
    snippet: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, file = QUESTIONS.read_text(), tmp_path / "questions.toml"
    arguments = ["checklist.py", str(SERVICE / "tiers.toml"), str(QUESTIONS), "m"]
    monkeypatch.setattr("sys.argv", arguments)
    snippet.main()
    assert capsys.readouterr().out == (SNIPPETS / FOLDER / "m.md").read_text()
    for empty in "", "m = []\n", 'm = [""]\n':
        file.write_text(empty)
        for tier in ["m"], list[str]():  # the lines are looked at whatever is asked
            monkeypatch.setattr("sys.argv", [*arguments[:2], str(file), *tier])
            with pytest.raises(SystemExit, match=r"questions\.toml:1: "):
                snippet.main()
    assert not snippet.vague("questions.toml", text)
    planted = text.replace("Does each docstring say what the code can't?", LINE)
    number = planted.splitlines().index(f'    "{LINE}",') + 1
    told = snippet.vague("questions.toml", planted)
    asks = tomllib.loads(planted)
    assert f"- [ ] {LINE}" in snippet.checklist(TIERS, asks, "s")
    assert told, f"{LINE} stands in the list"
    assert told == [f'questions.toml:{number}: "{LINE}" asks nothing. {snippet.CURE}.']
    for written in f's = ["{LINE}"]', f"s = [\n\t'{LINE}' # ?\n]", f's = """\\\n{LINE}"""':
        assert len(snippet.vague("questions.toml", written)) >= 1
    assert not snippet.vague("questions.toml", planted.replace(LINE, f"{LINE}?"))


LINE = "Docstrings on complex functions"


@pytest.mark.holds(
    "Keep the questions in a file, each below the smallest tier of change that asks it:",
    "Each gate of these lists was green on the service, and red on a fault that was planted for it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checklist.py"], indirect=True)
@pytest.mark.parametrize(
    "tier",
    [
        pytest.param(tier, marks=pytest.mark.proves(f"{FOLDER}/{tier}.md"))
        for tier in TIERS["tiers"]
    ],
)
def test_each_line_has_its_red_run_or_asks(
    snippet: ModuleType, tier: str, pytestconfig: pytest.Config
) -> None:
    green, red = ((GATES / f"{name}.out").read_text() for name in ("green", "red"))
    asks = tomllib.loads(QUESTIONS.read_text())
    lines = snippet.checklist(TIERS, asks, tier)
    hold_lines(f"{FOLDER}/{tier}.md", lines, pytestconfig.option.update_examples)
    refuses = [f"    - {TIERS['refuses'][gate]}" for gate in gates_of(tier, green, red)]
    assert lines[: len(refuses) + 1] == [f"- [ ] `make {tier}` passes, and refuses", *refuses]
    boxes = [line for line in lines if line.startswith("- [ ] ")]
    assert all(line.endswith("?") for line in boxes[1:])
    smaller = list(asks)[: list(asks).index(tier) + 1]
    assert len(boxes) == 1 + sum(len(asks[one]) for one in smaller)
    with pytest.raises(RefusedError, match=r"has no red run\. Plant what it is there for"):
        gates_of(tier, green, red.replace("lint ", "hint "))


@pytest.mark.holds(
    "it is formatted | ruff format --check .",
    "the imports are sorted | ruff check ., with I001",
    "the linter passes | ruff check .",
    "no import * | ruff check ., with F403",
    "docstrings | ruff check ., with D103, and a question",
    "no silent failure | ruff check ., with S110, and a question",
    "no secret in the code | ruff check ., with S105, and a question",
    "S105 goes by names: a password that is called greeting passes.",
    "S110 sees except Exception with pass below it, and nothing when a log line stands there.",
)
def test_the_linter_settles_its_lines() -> None:
    gates = TIERS["gates"]
    assert (gates["format"], gates["lint"]) == ("ruff format --check .", "ruff check .")
    assert {"I001", "F403", "D103", "S110", "S105"} <= found(PLANTED)
    assert "import *" in PLANTED
    assert "S105" not in found(PLANTED.replace("password", "greeting"))
    logged = PLANTED.replace("        pass\n", '        log.info("failed")\n')
    assert "S110" not in found(logged)
    clean = (GATES / "green.out").read_text()
    assert "lint     All checks passed!" in clean


@pytest.mark.holds(
    "the types are checked | mypy",
    "type hints on public functions | mypy, with no-untyped-def",
    "more than 70% coverage | the limit of the tier",
    'each asynchronous test is marked | asyncio_mode = "auto", which needs no mark',
    "each dependency is listed | a question, or deptry: List what your code imports, and lock it",
)
def test_the_other_lines(tmp_path: Path, record_property: Callable[[str, str], None]) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def read(path):\n    return path\n")
    command = [f"{BIN}/mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(planted)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "[no-untyped-def]" in told.stdout
    assert (TIERS["gates"]["types"], TOOLS["mypy"]["strict"]) == ("mypy", True)
    record_property("figure", str(TIERS["tiers"]["m"]["coverage"]))
    assert TOOLS["pytest"]["asyncio_mode"] == "auto"
    assert 'asyncio_mode = "auto"\n' in (SERVICE / "pyproject.toml").read_text()
    asked = [one for asks in tomllib.loads(QUESTIONS.read_text()).values() for one in asks]
    assert any("each package that is imported" in question for question in asked)
    project = '[project]\nname = "orders"\nversion = "1"\ndependencies = ["tomli"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    planted.write_text("import yaml\n")
    deptry = Path(sys.executable).with_name("deptry")
    told = subprocess.run([deptry, "--no-ansi", "."], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 1
    assert "DEP003" in told.stderr  # of yaml, which is here because others need it
    assert "'yaml' imported but" in told.stderr


@pytest.mark.proves(f"{FOLDER}/questions.toml")
def test_the_command_writes_a_list_and_refuses_a_line(tmp_path: Path) -> None:
    for file in (SERVICE / "tiers.toml", QUESTIONS, SNIPPETS / FOLDER / "checklist.py"):
        (tmp_path / file.name).write_text(file.read_text())
    command = [sys.executable, "checklist.py", "tiers.toml", "questions.toml", "m"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, (SNIPPETS / FOLDER / "m.md").read_text())
    asked = (tmp_path / "questions.toml").read_text()
    (tmp_path / "questions.toml").write_text(asked.replace("go back?", "go back"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith('questions.toml:18: "How does it go back" asks nothing. End it')
    assert str(ROOT) not in done.stderr
