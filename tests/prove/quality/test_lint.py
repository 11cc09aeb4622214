"""What the page on lint claims: each family on its own fault, three tools, and what is hidden."""

import io
import json
import logging
import os
import shutil
import subprocess
import time
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pages import DOCS, SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.service import BIN, SERVICE, ended
from tests.prove.sentences import sentences

FOLDER = "quality/lint"
PAGE = DOCS / "quality/lint.md"
SETTINGS = SERVICE / "pyproject.toml"
LINT = tomllib.loads(SETTINGS.read_text())["tool"]["ruff"]["lint"]
MARK = "  # " + "noqa"  # in two parts, so that nobody takes it for one of ours
APP = "from fastapi import FastAPI\napp = FastAPI()\n"
LOG = "import logging\nlog = logging.getLogger('orders')\n"


INSTRUCTIONS = [
    "Ask the linter for the rules that find faults",
    "Name the families of rules in one file of settings, and switch off a rule by its code, with a reason beside it.",
    "If you don't know which families to take, take those of the table below.",
    "Install ruff, or flake8, or pylint, and keep its settings in a file that each command reads:",
    "Don't give two commands two limits",
    "Don't hide a line from all rules",
    "Select one family, and count what it finds.",
    "Mend what it finds, or switch off a rule that isn't worth it for the files where it isn't.",
    "Take the next family.",
    "Put a fault into your code, and see your own settings refuse it:",
]


JUDGEMENTS = [
    "We call a rule's letters, such as ASYNC, its family.",
    "We prefer Ruff, and leave the last two to strict types and to the layers.",
    "We prefer to delete an exception that hides nothing.",
]


@dataclass
class Family:
    """What the page says of a family, and a fault: its code, its source, and what it does."""

    fault: str
    harm: str
    code: str
    source: str
    shows: str


FAMILIES = {
    "A": Family(
        "list = [1, 2]",
        'list("ab") raises TypeError',
        "A001",
        "list = [1, 2]",
        'with raises(TypeError): list("ab")',
    ),
    "ANN": Family(
        "an endpoint without its return type",
        "FastAPI checks nothing that it returns",
        "ANN201",
        APP + "@app.get('/orders')\ndef read(): return 1",
        "assert app.routes[-1].response_model is None\n@app.get('/typed')\ndef typed() -> int: ...\n"
        "assert app.routes[-1].response_model is int",
    ),
    "ASYNC": Family(
        "time.sleep(1) in an async def",
        "no other task runs meanwhile",
        "ASYNC251",
        "import time\nasync def wait() -> None: time.sleep(1)",
        "import asyncio, types\ntime, ran = types.SimpleNamespace(sleep=lambda _: None), []\n"
        "async def then(first, name):\n    await first\n    ran.append(name)\n"
        "async def other(): ran.append('other')\n"
        "async def main(first): await asyncio.gather(then(first, 'first'), other())\n"
        "asyncio.run(main(wait()))\nasyncio.run(main(asyncio.sleep(0)))\n"
        "assert ran == ['first', 'other', 'other', 'first']",
    ),
    "B": Family(
        "seen: list[int] = [] as a default",
        "the next call gets the list of the last",
        "B006",
        "def add(order: int, seen: list[int] = []) -> list[int]:\n    seen.append(order)\n    return seen",
        "add(1)\nassert add(2) == [1, 2]",
    ),
    "C4": Family(
        "any([pay(order) for order in orders])",
        "it pays each order, after the first True too",
        "C419",
        "paid = []\ndef pay(order: int) -> bool:\n    paid.append(order)\n    return True\n"
        "def some(orders: list[int]) -> bool: return any([pay(order) for order in orders])",
        "assert some([1, 2]) and paid == [1, 2]\nassert any(pay(order) for order in [3, 4])\n"
        "assert paid == [1, 2, 3]",
    ),
    "D1": Family(
        "an endpoint without a docstring",
        "OpenAPI has no description of it",
        "D103",
        APP + "@app.get('/orders')\ndef read() -> int: return 1",
        "assert 'description' not in app.openapi()['paths']['/orders']['get']",
    ),
    "DTZ": Family(
        "datetime.now()",
        "datetime.now() < datetime.now(UTC) raises TypeError",
        "DTZ005",
        "from datetime import datetime\nnow = datetime.now()",
        "from datetime import UTC\nwith raises(TypeError): datetime.now() < datetime.now(UTC)",
    ),
    "E": Family(
        "except:",
        "it swallows KeyboardInterrupt",
        "E722",
        "def guarded(pay):\n    try:\n        pay()\n    except:\n        print('lost')",
        "def stop(): raise KeyboardInterrupt\nguarded(stop)",
    ),
    "F": Family(
        "two tests of one name",
        "the first never runs",
        "F811",
        "def test_pay() -> None: raise AssertionError\ndef test_pay() -> None: pass",
        "test_pay()",
    ),
    "FAST": Family(
        "/orders/{number} whose number no argument takes",
        "each order gets the same answer",
        "FAST003",
        APP + "@app.get('/orders/{number}')\ndef read() -> int: return 1",
        "assert 'parameters' not in app.openapi()['paths']['/orders/{number}']['get']",
    ),
    "FURB": Family(
        "math.log(1000, 10)",
        "it is less than 3",
        "FURB163",
        "import math\ndigits = math.log(1000, 10)",
        "assert digits < 3 == math.log10(1000)",
    ),
    "G": Family(
        'log.debug(f"{order}")',
        "the text is made even where no log takes it",
        "G004",
        LOG + 'def paid(order: object) -> None: log.debug(f"{order}")',
        "made = []\nclass Order:\n    def __str__(self): return made.append(1) or ''\n"
        "log.debug('%s', Order())\nassert not made and not logged(lambda: paid(Order())) and made",
    ),
    "I": Family(
        "imports in no order",
        "two branches that each add one at the end conflict",
        "I001",
        "import sys\nimport os",
        "assert conflicts(['sys', 'os'], ['sys', 'os', 'abc'], ['sys', 'os', 'uuid'])\n"
        "assert not conflicts(['os', 'sys'], ['abc', 'os', 'sys'], ['os', 'sys', 'uuid'])",
    ),
    "LOG": Family(
        "exc_info=True outside an except",
        "the log says NoneType: None",
        "LOG014",
        LOG + "def lost() -> None: log.warning('lost', exc_info=True)",
        "assert 'NoneType: None' in logged(lost)",
    ),
    "N": Family(
        "def total(cents) in a class",
        "cents is the object itself",
        "N805",
        "class Order:\n    def total(cents): return cents",
        "order = Order()\nassert order.total() is order",
    ),
    "PERF": Family(
        "for order in list(orders) of a list",
        "the whole list is copied first",
        "PERF101",
        "orders = [1, 2]\nfor order in list(orders): print(order)",
        "seen = []\nfor order in list(orders):\n    orders.append(3)\n    seen.append(order)\n"
        "assert seen == [1, 2]",
    ),
    "PGH": Family(
        "noqa without a code",
        "the line hides each later fault",
        "PGH004",
        "import os" + MARK,
        "assert found('import os, absent; print(paid)" + MARK + "') == {'PGH004'}\n"
        "assert 'F821' in found('import os, absent; print(paid)" + MARK + ": F401')",
    ),
    "PIE": Family(
        "PAID = 1 and SENT = 1 in an Enum",
        "Status.SENT is Status.PAID",
        "PIE796",
        "from enum import Enum\nclass Status(Enum):\n    PAID = 1\n    SENT = 1",
        "assert Status.SENT is Status.PAID",
    ),
    "PLC": Family(
        "an import in a function",
        "a missing module fails at the first call",
        "PLC0415",
        "def pay() -> None:\n    import absent",
        "with raises(ModuleNotFoundError): pay()",
    ),
    "PLE": Family(
        'log.warning("%s paid %s", "Ann")',
        "the message is lost",
        "PLE1206",
        LOG + 'def paid() -> None: log.warning("%s paid %s", "Ann")',
        "assert logged(paid) == ''",
    ),
    "PLW": Family(
        "subprocess.run without check",
        "a command that fails goes unseen",
        "PLW1510",
        "import subprocess\nsubprocess.run(['false'])",
        "with raises(subprocess.CalledProcessError): subprocess.run(['false'], check=True)",
    ),
    "PT": Family(
        "pytest.raises(ValueError) without match",
        "the test passes on a misspelt number",
        "PT011",
        "import pytest\ndef pay(cents: int) -> None: ...\n"
        "def test_pay() -> None:\n    with pytest.raises(ValueError): pay(int('1o'))",
        "test_pay()",
    ),
    "RET": Family(
        "a function that forgets one return",
        "it returns None there",
        "RET503",
        "def rate(late: bool) -> int | None:\n    if late:\n        return 2",
        "assert rate(False) is None",
    ),
    "RUF": Family(
        "asyncio.create_task whose task nobody keeps",
        "the task is lost halfway",
        "RUF006",
        "import asyncio\nended = []\nasync def deliver() -> None:\n    try:\n"
        "        await asyncio.Future()\n    finally:\n        ended.append('halfway')\n"
        "async def send() -> None: asyncio.create_task(deliver())",
        "import gc\nasync def main():\n    await send()\n    await asyncio.sleep(0)\n    gc.collect()\n"
        "    assert ended == ['halfway']\nlogging.disable()\nasyncio.run(main())\nlogging.disable(0)",
    ),
    "S": Family(
        "SQL in an f-string",
        "' OR '1'='1 reads each user",
        "S608",
        "def query(name: str) -> str: return f\"SELECT * FROM users WHERE name = '{name}'\"",
        "import sqlite3\nstore = sqlite3.connect(':memory:')\nstore.execute('CREATE TABLE users (name)')\n"
        "store.execute(\"INSERT INTO users VALUES ('Ann'), ('Bo')\")\n"
        "assert len(store.execute(query(\"' OR '1'='1\")).fetchall()) == 2\nstore.close()",
    ),
    "SIM": Family(
        'status == "paid" or "sent"',
        "it is always true",
        "SIM222",
        'def paid(status: str) -> bool:\n    if status == "paid" or "sent": return True\n    return False',
        "assert paid('lost')",
    ),
    "TRY": Family(
        'log.error("lost") in an except',
        "the log has no traceback",
        "TRY400",
        LOG + 'def lost() -> None:\n    try: int("x")\n    except ValueError: log.error("lost")',
        "assert logged(lost) == 'lost\\n'",
    ),
    "UP": Family(
        "tip: Optional[int]",
        "a call without tip raises TypeError",
        "UP045",
        "from typing import Optional\ndef pay(tip: Optional[int]) -> None: ...",
        "with raises(TypeError): pay()",
    ),
    "W": Family(
        "a backslash that escapes nothing",
        "Python warns, and refuses it where warnings are errors",
        "W605",
        r'PATTERN = "\d"',
        "with warnings.catch_warnings():\n    warnings.simplefilter('error')\n"
        "    with raises(SyntaxError): compile('\"\\\\d\"', 'orders', 'eval')",
    ),
}
FAULTS = {  # what the page says: its source, and what Ruff, flake8 and pylint report
    "a line of 89 characters": ("print('" + "1 " * 40 + "')\n", "E501", "E501", "line-too-long"),
    "import os that nothing uses": ("import os\n", "F401", "F401", "unused-import"),
    "except:": (
        "try:\n    print(1)\nexcept:\n    print(2)\n",
        "E722",
        "E722",
        "bare-except",
    ),
    "seen: list[int] = [] as a default": (
        'def add(order: int, seen: list[int] = []) -> list[int]:\n    """Add."""\n    return [*seen, order]\n',
        "B006",
        "none",
        "dangerous-default-value",
    ),
    "time.sleep(1) in an async def": (
        'import time\n\n\nasync def wait() -> None:\n    """Wait."""\n    time.sleep(1)\n',
        "ASYNC251",
        "none",
        "none",
    ),
    "a call that lacks an argument": (
        'def pay(order: int, cents: int) -> int:\n    """Pay."""\n    return order + cents\n\n\npay(1)\n',
        "none",
        "none",
        "no-value-for-parameter",
    ),
    "two modules that import each other": (
        "import other\n\nprint(other)\n",
        "none",
        "none",
        "cyclic-import",
    ),
}
ORDERS = (SNIPPETS / FOLDER / "limits.sh").read_text().partition("PY'\n")[2].partition("PY\n")[0]
Walk = dict[str, subprocess.CompletedProcess[str]]


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command there; return how it ended."""
    return ended([*map(str, command)], cwd=folder, env=os.environ | {"NO_COLOR": "1"})


def ruff(folder: Path, *options: str | Path) -> dict[str, set[str]]:
    """Return the codes that the service's Ruff gives to each module of a folder."""
    command = [BIN / "ruff", "check", "--no-cache", "--output-format=json-lines", *options, "."]
    done = run(folder, *command)
    assert done.returncode < 2, done.stderr
    codes: dict[str, set[str]] = {}
    for told in map(json.loads, done.stdout.splitlines()):
        codes.setdefault(Path(told["filename"]).stem, set()).add(told["code"])
    return codes


def rows(heading: str) -> list[str]:
    """Return the rows below a heading of the page."""
    return [one.text for one in sentences(PAGE) if one.kind == "row" and one.heading == heading]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, by the name of their block, with the settings it shows."""
    session, found = pytestconfig.stash[STATE], Walk()
    folder = tmp_path_factory.mktemp("lint") / "work"
    shutil.copytree(SNIPPETS / FOLDER, folder)
    shutil.copy(SETTINGS, folder / "pyproject.toml")
    for name in "limits.sh", "hidden.sh", "planted.sh":
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


def logged(call: Callable[[], object]) -> str:
    """Return what a call logs under `orders`."""
    stream, log = io.StringIO(), logging.getLogger("orders")
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    log.propagate = False  # pytest's own handler raises what it can't write
    try:
        call()
    finally:
        log.removeHandler(handler)
        log.propagate = True
    return stream.getvalue()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module for each family, which has its fault."""
    folder = tmp_path_factory.mktemp("families")
    for family, told_of in FAMILIES.items():
        (folder / f"{family}.py").write_text(f"{told_of.source}\n")
    return folder


@pytest.mark.holds(
    "Each row is a fault that its family finds with the service's settings, and what happens without it:",
)
@pytest.mark.proves("service/pyproject.toml")
def test_each_family_finds_its_fault(planted: Path) -> None:
    found = ruff(planted, f"--config={SETTINGS}")
    missed = [f for f, told_of in FAMILIES.items() if told_of.code not in found.get(f, ())]
    assert not missed
    assert [*FAMILIES] == LINT["select"]
    listed = [f"{f} | {one.fault} | {one.harm}" for f, one in FAMILIES.items()]
    assert rows("What each family finds") == listed
    assert all(one.code.startswith(family) for family, one in FAMILIES.items())


@pytest.mark.holds(
    'A | list = [1, 2] | list("ab") raises TypeError',
    "ANN | an endpoint without its return type | FastAPI checks nothing that it returns",
    "ASYNC | time.sleep(1) in an async def | no other task runs meanwhile",
    "B | seen: list[int] = [] as a default | the next call gets the list of the last",
    "C4 | any([pay(order) for order in orders]) | it pays each order, after the first True too",
    "D1 | an endpoint without a docstring | OpenAPI has no description of it",
    "DTZ | datetime.now() | datetime.now() < datetime.now(UTC) raises TypeError",
    "E | except: | it swallows KeyboardInterrupt",
    "F | two tests of one name | the first never runs",
    "FAST | /orders/{number} whose number no argument takes | each order gets the same answer",
    "FURB | math.log(1000, 10) | it is less than 3",
    'G | log.debug(f"{order}") | the text is made even where no log takes it',
    "I | imports in no order | two branches that each add one at the end conflict",
    "LOG | exc_info=True outside an except | the log says NoneType: None",
    "N | def total(cents) in a class | cents is the object itself",
    "PERF | for order in list(orders) of a list | the whole list is copied first",
    "PGH | noqa without a code | the line hides each later fault",
    "PIE | PAID = 1 and SENT = 1 in an Enum | Status.SENT is Status.PAID",
    "PLC | an import in a function | a missing module fails at the first call",
    'PLE | log.warning("%s paid %s", "Ann") | the message is lost',
    "PLW | subprocess.run without check | a command that fails goes unseen",
    "PT | pytest.raises(ValueError) without match | the test passes on a misspelt number",
    "RET | a function that forgets one return | it returns None there",
    "RUF | asyncio.create_task whose task nobody keeps | the task is lost halfway",
    "S | SQL in an f-string | ' OR '1'='1 reads each user",
    'SIM | status == "paid" or "sent" | it is always true',
    'TRY | log.error("lost") in an except | the log has no traceback',
    "UP | tip: Optional[int] | a call without tip raises TypeError",
    "W | a backslash that escapes nothing | Python warns, and refuses it where warnings are errors",
)
@pytest.mark.proves("service/pyproject.toml")
@pytest.mark.parametrize("family", FAMILIES)
def test_what_happens_without_the_rule(family: str, tmp_path: Path) -> None:
    def conflicts(*imports: list[str]) -> bool:
        names = [tmp_path / name for name in ("base", "ours", "theirs")]
        for file, modules in zip(names, imports, strict=True):
            file.write_text("".join(f"import {module}\n" for module in modules))
        base, ours, theirs = names
        return bool(run(tmp_path, "git", "merge-file", "-p", ours, base, theirs).returncode)

    def found(source: str) -> set[str]:
        (tmp_path / "hidden.py").write_text(f'"""A module."""\n\n{source}\n')
        return ruff(tmp_path, f"--config={SETTINGS}").get("hidden", set())

    known: dict[str, Any] = {"conflicts": conflicts, "found": found, "logged": logged}
    known |= {"raises": pytest.raises, "warnings": warnings, "logging": logging}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of W's escape, which its proof asks for
        exec(FAMILIES[family].source, known)  # noqa: S102  it is our own
    exec(FAMILIES[family].shows, known)  # noqa: S102  it is our own


@pytest.mark.holds(
    "Without select, Ruff chooses the rules, and misses 14 of these 29 faults, such as the lost task.",
)
@pytest.mark.proves("service/pyproject.toml")
def test_what_ruff_does_not_choose(
    planted: Path, record_property: Callable[[str, object], None]
) -> None:
    found = ruff(planted, "--isolated")
    missed = [f for f, told_of in FAMILIES.items() if told_of.code not in found.get(f, ())]
    record_property("says", f"misses {len(missed)} of these {len(FAMILIES)} faults")
    assert "RUF" in missed
    assert "select" in LINT


@pytest.fixture(scope="module")
def tools(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What each tool reports of each fault, and of a file that the formatter wrote."""
    folder = tmp_path_factory.mktemp("tools")
    names = {f"fault{number}": fault for number, fault in enumerate(FAULTS)} | {"orders": "orders"}
    for name, fault in names.items():
        source = FAULTS[fault][0] if fault in FAULTS else ORDERS
        head = "" if source == ORDERS else '"""A module."""\n\n\n'
        (folder / f"{name}.py").write_text(head + source)
    (folder / "other.py").write_text(
        f'"""A module."""\n\nimport {[*names][-2]}\n\nprint({[*names][-2]})\n'
    )
    options = ["--output-format=json", f"--rcfile={SNIPPETS / FOLDER}/pyproject.toml"]
    pylint = json.loads(run(folder, "pylint", *options, *sorted(folder.glob("*.py"))).stdout)
    flake8 = run(folder, "flake8", f"--config={SNIPPETS / FOLDER}/tox.ini", ".").stdout
    found = {name: dict.fromkeys(names.values(), "none") for name in ("ruff", "flake8", "pylint")}

    def enter(tool: str, module: str, code: str) -> None:
        fault = names.get(module, [*FAULTS][-1])
        if code == "cyclic-import":
            fault = [*FAULTS][-1]  # pylint names the module that it read last
        assert found[tool][fault] in ("none", code), (tool, fault, code)
        found[tool][fault] = code

    for module, codes in ruff(folder, f"--config={SETTINGS}").items():
        for code in codes:
            enter("ruff", module, code)
    for line in flake8.splitlines():
        path, _, _, said = line.split(":")
        enter("flake8", Path(path).stem, said.split()[0])
    for each in pylint:
        enter("pylint", each["module"], each["symbol"])
    return found


@pytest.mark.holds(
    "With these settings, each tool passes a file that the formatter wrote, and finds these faults:",
    "a line of 89 characters | E501 | E501 | line-too-long",
    "import os that nothing uses | F401 | F401 | unused-import",
    "except: | E722 | E722 | bare-except",
    "seen: list[int] = [] as a default | B006 | none | dangerous-default-value",
    "time.sleep(1) in an async def | ASYNC251 | none | none",
    "a call that lacks an argument | none | none | no-value-for-parameter",
    "two modules that import each other | none | none | cyclic-import",
)
@pytest.mark.proves(f"{FOLDER}/tox.ini")
def test_what_each_tool_finds(tools: dict[str, dict[str, str]]) -> None:
    told_of = {fault: codes for fault, (_, *codes) in FAULTS.items()}
    for number, tool in enumerate(tools):
        assert tools[tool] == {**{f: c[number] for f, c in told_of.items()}, "orders": "none"}
    assert rows("Do") == [" | ".join([fault, *codes]) for fault, codes in told_of.items()]


@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_pylint_has_the_width_of_the_formatter(tools: dict[str, dict[str, str]]) -> None:
    told_of = tomllib.loads((SNIPPETS / FOLDER / "pyproject.toml").read_text())["tool"]["pylint"]
    assert told_of["format"] == {"max-line-length": 88}
    assert tools["pylint"]["a line of 89 characters"] == "line-too-long"


@pytest.mark.holds(
    "Or the same line passes in the hook and fails by the command in the README.",
    "E203 speaks against the formatter at either limit.",
    "flake8 doesn't read pyproject.toml without a plugin, so a limit that stands there changes nothing.",
)
@pytest.mark.proves(f"{FOLDER}/limits.sh")
def test_two_limits_are_two_gates(
    walk: Walk, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    first, wide, slice_, readme, again, hook, last = told(walk, "limits.sh")
    code = slice_.split()[1]
    record_property("says", f"{code} speaks against the formatter at either limit")
    assert (first, last) == ("black: green", "with one file of settings: green")
    assert " E501 " in wide and "> 79 characters" in wide
    assert " E203 " in slice_ and slice_ == again
    assert (readme, hook) == ("in the README: refused", "in the hook: refused")
    (tmp_path / "orders.py").write_text(ORDERS)
    (tmp_path / "pyproject.toml").write_text("[tool.flake8]\nmax-line-length = 120\n")
    assert " E501 " in run(tmp_path, "flake8", "orders.py").stdout
    (tmp_path / "tox.ini").write_text("[flake8]\nmax-line-length = 120\n")
    assert " E501 " not in run(tmp_path, "flake8", "orders.py").stdout


@pytest.mark.holds(
    "RUF100 refuses a mark that hides nothing, and PGH004 one that names no code.",
    "Neither refuses a mark with # ruff: before it in a line of its own, which hides the rule in the whole file.",
)
@pytest.mark.proves(f"{FOLDER}/hidden.sh")
def test_a_hidden_line_is_told(walk: Walk, tmp_path: Path) -> None:
    passed, green, bare, unused, *_, refused = told(walk, "hidden.sh")
    assert (passed, green) == ("All checks passed!", "a mark without a code: green")
    assert ":3:" in bare and " PGH004 " in bare
    assert ":4:" in unused and " RUF100 " in unused
    assert refused == "the gate: refused"
    call = 'import subprocess\n\nsubprocess.run("make", shell=True, check=True)\n'
    rules = ["--isolated", "--select=PGH004,RUF100,S602"]
    for head, found in ("", {"S602"}), (f"# ruff:{MARK[3:]}: S602\n\n", set[str]()):
        (tmp_path / "make.py").write_text(f"{head}{call}{call}")
        assert ruff(tmp_path, *rules).get("make", set()) == found


@pytest.mark.holds(
    "Each rule that the service switches off finds something there: S101 finds the assert in its tests, and those are what tests are made of.",
)
@pytest.mark.proves("service/pyproject.toml")
def test_no_rule_is_switched_off_in_vain() -> None:
    switched = [("*", rule) for rule in LINT["ignore"]]
    switched += [
        (place, rule) for place, rules in LINT["per-file-ignores"].items() for rule in rules
    ]
    assert ("tests/*", "S101") in switched
    for place in {place for place, _ in switched}:
        rules = {rule for where, rule in switched if where == place}
        others = [
            o for o, r in switched if place == "*" != o and any(x.startswith(r) for x in rules)
        ]
        left_out = [f"--extend-exclude={other.removesuffix('/*')}" for other in others]
        options = ["--isolated", f"--select={','.join(rules)}", *left_out]
        found = set[str]().union(*ruff(SERVICE / place.rstrip("*"), *options).values())
        vain = {rule for rule in rules if not any(code.startswith(rule) for code in found)}
        assert not vain, (place, vain)


@pytest.mark.holds(
    "A background task ends halfway, or a default list remembers the last request, and the linter was green.",
    "No linter finds a fault whose rule isn't selected.",
    "ASYNC251 sees time.sleep(1) in the async def itself, and not in a function that the async def calls.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_a_planted_fault_is_refused(walk: Walk, planted: Path, tmp_path: Path) -> None:
    first, *_, refused, passed, green = told(walk, "planted.sh")
    assert first.startswith("planted.py:8:5: RUF006 ")
    assert (refused, passed) == ("the gate: refused", "All checks passed!")
    assert green == "without the rule: green"
    found = ruff(planted, f"--config={SETTINGS}", "--ignore=RUF006,B006")
    assert not {"RUF006", "B006"} & set[str]().union(*found.values())
    (tmp_path / "wait.py").write_text(
        "import time\n\n\ndef rest() -> None:\n    time.sleep(1)\n\n\n"
        "async def wait() -> None:\n    rest()\n"
    )
    assert "ASYNC251" in ruff(planted, "--isolated", "--select=ASYNC")["ASYNC"]
    assert ruff(tmp_path, "--isolated", "--select=ASYNC").get("wait") is None
