"""What the page on structure claims: the tree is the service's, and its layers are held."""

import ast
import os
import re
import subprocess
import sysconfig
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.engine.pages import SNIPPETS, RefusedError
from tests.parts.gates import TIERS, Copy, Gate, GateError
from tests.parts.outputs import hold_lines
from tests.parts.service import SERVICE

FOLDER = "start/structure"
CONTRACTS = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERS, QUERIES, HTTP = CONTRACTS["contracts"]
LINT = Gate("Contracts: 3 kept, 0 broken.", r"^.* is not allowed .*|^- +\S+(?: -> \S+)?")
WHAT = {  # of what has no docstring
    "alembic": "the migrations",
    "deploy": "the gateway's settings",
    "src": "what the image installs",
    "tests": "what a client, a use case and a query do",
    "tests/fixtures": "data that tests share",
    "tests/speed": "what the service costs beside a bare one",
    "tests/survival": "parts that go away",
    "AGENTS.md": "the rules that the gates enforce",
    "Dockerfile": "the image",
    "Makefile": "the commands",
    "README.md": "how to run, change and release it",
    "alembic.ini": "settings of the migrations",
    "compose.yaml": "all parts on one machine",
    "packages.txt": "what the tests need of the system",
    "pyproject.toml": "dependencies, and settings of the tools",
    "requirements-build.txt": "the lock of what builds the image",
    "requirements-dev.txt": "the lock of what the tests need",
    "requirements.txt": "the lock of what the image installs",
    "tiers.toml": "the gates of a change",
}
WIDTH = 78


JUDGEMENTS = [
    "Our queries stand in handlers, so nobody can test a rule without a request.",
    "We call a folder or a file that imports only from itself and from those below it a layer.",
]


SHOWN = {
    "In a flat layout, python -m pytest finds what lies in the folder of the project.": "1 passed",
    "The test passes, and the installed package lacks a file.": "ModuleNotFoundError: No module named 'rates'",
    "Below src, the test fails first": "E   ModuleNotFoundError: No module named 'rates'",
    "The same mistake, in a package below src:": "E   ModuleNotFoundError: No module named 'rates'",
    "Where pythonpath names src alone, the test can't import what lies beside it, so the mistake shows before an install.": "E   ModuleNotFoundError: No module named 'rates'",
}


INSTRUCTIONS = [
    "Put a file in the lowest layer from which its imports go down, and the package below src.",
    "If you don't know where code goes, ask what it talks to: HTTP, a rule of the business, or the database.",
    "Read for queries in review.",
    "Don't: put the package beside the tests",
    "Run this block and the next in a new folder each.",
    "Move the package below src, and name that folder in the settings of pytest and of the build.",
    "Write down the layers, list each import that breaks them as an ignored import, and run lint-imports until it passes.",
    "Move one import at a time, and then take its line out of that list.",
    "Install the package in the image, not a link to its folder, and start it there.",
    "Copy the contracts, with your own layers:",
]


def said_of(path: Path) -> str:
    """Return what a file or folder is there for."""
    name = str(path.relative_to(SERVICE))
    told = path / "__init__.py" if path.is_dir() else path
    if name not in WHAT and told.suffix == ".py" and told.exists():
        first = (ast.get_docstring(ast.parse(told.read_text())) or "").partition("\n")[0]
        return first[:1].lower() + re.split(r"[:;.]", first[1:])[0]
    if name not in WHAT:
        reason, cure = "nothing says what it is there for", "Say it in WHAT, in test_structure.py"
        raise RefusedError(path, 1, reason, f"{cure}, or move it")
    return WHAT[name]


def seen(folder: Path) -> list[Path]:
    """Return what lies in a folder, folders first, but for what is hidden or made."""
    made = ("__pycache__", ".egg-info", "htmlcov")
    found = [p for p in folder.iterdir() if p.name[0] != "." and not p.name.endswith(made)]
    return sorted(found, key=lambda path: (path.is_file(), path.name))


def layers() -> list[str]:
    """Return a line or more for each layer: its packages and modules."""
    lines = []
    for layer in LAYERS["layers"]:
        names = re.split(r" [|:] ", layer)
        package = SERVICE / "src/accounts"
        shown = [f"{name}/" if (package / name).is_dir() else f"{name}.py" for name in names]
        first, *more = textwrap.wrap("  ".join(shown), WIDTH - 8)
        last = layer == LAYERS["layers"][-1]
        lines += [f"    {'└' if last else '├'}── {first}", *[f"    │   {line}" for line in more]]
    return lines


def tree() -> list[str]:
    """Return the lines of the tree, from the files of the service."""
    lines = []
    for path in seen(SERVICE):
        name = path.name + "/" * path.is_dir()
        lines.append(f"├── {name:24}{said_of(path)}")
        if path.name == "src":
            lines += ["│   └── accounts/", *[f"│   {line}" for line in layers()]]
        if path.name == "tests":
            below = [p for p in seen(path) if p.is_dir()]
            lines += [f"│   ├── {p.name + '/':20}{said_of(p)}" for p in below]
            lines[-1] = lines[-1].replace("├", "└")
    lines[-1] = lines[-1].replace("├", "└")
    return ["accounts/", *lines]


@pytest.mark.holds("This is the tree of the service.")
@pytest.mark.proves(f"{FOLDER}/tree.out")
def test_the_tree_is_that_of_the_service(pytestconfig: pytest.Config) -> None:
    hold_lines(f"{FOLDER}/tree.out", tree(), pytestconfig.option.update_examples)
    told = {name for layer in LAYERS["layers"] for name in re.split(r" [|:] ", layer)}
    package = seen(SERVICE / "src/accounts")
    assert told == {p.stem for p in package} - {"__init__", "py"}


class Linted:
    """What `lint-imports` says of copies of the service."""

    def __init__(self, base: Path) -> None:
        self.base, self.number = base, 0

    def found(self, patch: str | None, **planted: str) -> list[str]:
        """Return what it finds after a patch, and with lines added to modules."""
        self.number += 1
        copy = Copy(self.base / str(self.number), *([patch] if patch else []))
        for name, line in planted.items():
            with (copy.home / f"src/accounts/{name.replace('__', '/')}.py").open("a") as module:
                module.write(f"\n{line}\n")
        try:
            copy.run("layers", LINT, "")
        except GateError as error:
            return str(error).splitlines()
        return []


@pytest.fixture
def linted(tmp_path: Path) -> Linted:
    """A way to see what `lint-imports` finds."""
    return Linted(tmp_path)


def refused(name: str, match: str) -> object:
    """Return a value of the parameter `patch`, which `lint-imports` must refuse."""
    raises = pytest.RaisesExc(GateError, match=match)
    marks = pytest.mark.xfail(strict=True, raises=raises)  # a contract forbids it
    return pytest.param(f"{FOLDER}/{name}.patch", marks=marks, id=name)


@pytest.mark.holds(
    "Put each file in its layer",
    "Don't: let a service answer HTTP",
    "Don't: add a file that has no layer",
)
@pytest.mark.parametrize(
    "patch",
    [
        None,
        refused("http", r"accounts.services.user_service -> fastapi"),
        refused("nowhere", r"- accounts.discounts\Z"),
    ],
)
def test_a_file_in_its_layer_passes(linted: Linted, patch: str | None) -> None:
    if found := linted.found(patch):
        raise GateError("\n".join(found))


@pytest.mark.holds(
    "The gate layers refuses it:",
    "The gate refuses a file that the contract doesn't name:",
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.proves(f"{FOLDER}/{name}.out"), id=name)
        for name in ("http", "nowhere")
    ],
)
def test_the_page_shows_what_the_gate_finds(
    linted: Linted, name: str, pytestconfig: pytest.Config
) -> None:
    found = linted.found(f"{FOLDER}/{name}.patch")
    hold_lines(f"{FOLDER}/{name}.out", found, pytestconfig.option.update_examples)
    assert "layers" in TIERS["gates"]
    assert HTTP["name"] == "Services know nothing of HTTP"


@pytest.mark.holds("A contract that isn't exhaustive says nothing of a new file.")
@pytest.mark.proves(f"{FOLDER}/nowhere.out")
def test_a_contract_that_is_not_exhaustive_takes_a_new_file(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy", f"{FOLDER}/nowhere.patch")
    settings = (copy.home / "pyproject.toml").read_text()
    assert "exhaustive = true\n" in settings
    (copy.home / "pyproject.toml").write_text(settings.replace("exhaustive = true\n", ""))
    assert copy.run("layers", LINT, "") == LINT.passes


@pytest.mark.holds(
    "Each line of src/accounts, with those that continue it, is a layer, and a file imports from lines below its own.",
    "On the line of api, and on that of worker, the files don't import each other either.",
    "From allowance to connections they may.",
    "api | handlers, schemas, and the answer to each error | a query",
    "services | the use cases, each one transaction | HTTP",
    "repositories | the queries, and the cache of users | a use case",
    "models | the tables | a use case",
)
@pytest.mark.proves(f"{FOLDER}/tree.out")
def test_imports_go_down_only(linted: Linted) -> None:
    for name in "accounts.api.handlers", "accounts.services":
        assert name in QUERIES["source_modules"]
    use_case = "import accounts.services.letters"
    found = linted.found(
        None,
        api__handlers="import sqlalchemy",
        services__letters="import fastapi",
        repositories__user_cache=use_case,
        models__base=use_case,
    )
    assert sorted(re.sub("^- +", "", line) for line in found if " -> " in line) == [
        "accounts.api.handlers -> sqlalchemy",
        "accounts.models.base -> accounts.services.letters",
        "accounts.repositories.user_cache -> accounts.services.letters",
        "accounts.services.letters -> fastapi",
    ]
    down = "import accounts.models.user"
    beside = "import accounts.connections"
    assert not linted.found(
        None, services__letters=down, repositories__user_cache=down, allowance=beside
    )
    found = linted.found(
        None, tasks="import accounts.api.errors", worker="import accounts.background"
    )
    assert sorted(re.sub("^- +", "", line) for line in found if " -> " in line) == [
        "accounts.tasks -> accounts.api.errors",
        "accounts.worker -> accounts.background",
    ]


@pytest.mark.holds(
    "The gate sees imports, not calls",
    "await session.get(User, 1) in a handler is a query, and the gate is green: it imports User from the models, as it may.",
)
@pytest.mark.proves(f"{FOLDER}/nowhere.out")
def test_a_call_is_no_import(linted: Linted) -> None:
    query = "async def name(session):\n    return await session.get(User, 1)\n"
    assert not linted.found(None, api__handlers=f"from accounts.models.user import User\n{query}")
    assert linted.found(None, api__handlers=f"import sqlalchemy\n{query}")


@pytest.mark.holds("Or the tests pass, and the installed package doesn't start.")
def test_the_tests_pass_and_the_installed_package_does_not_start() -> None:
    told = (SNIPPETS / FOLDER / "flat.out").read_text().splitlines()
    assert told == ["1 passed", "ModuleNotFoundError: No module named 'rates'"]


@pytest.mark.proves("service/pyproject.toml")
def test_the_contract_is_that_of_the_gate(linted: Linted) -> None:
    assert TIERS["gates"]["layers"].startswith("lint-imports")
    assert LAYERS["exhaustive"]
    assert not linted.found(None)
    text = (SERVICE / "pyproject.toml").read_text()
    (shown,) = re.findall(r"(?s)\[start:layers\]\n(.*?)# --8<-- \[end:layers\]", text)
    assert tomllib.loads(shown)["tool"]["importlinter"] == CONTRACTS  # all that the gate holds


@pytest.mark.holds(
    "The service names src and its own folder, because its tests import dev and each other: a module that lies beside src isn't missed there.",
)
@pytest.mark.proves(f"{FOLDER}/src.sh")
def test_the_service_names_its_own_folder_too() -> None:
    settings = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]["pytest"]
    assert settings["pythonpath"] == ["src", "."]
    tests = "\n".join(file.read_text() for file in (SERVICE / "tests").rglob("*.py"))
    assert re.search(r"^from dev\b", tests, re.MULTILINE)
    assert re.search(r"^from tests\b", tests, re.MULTILINE)
    assert 'pythonpath = ["src"]\n' in (SNIPPETS / FOLDER / "src.sh").read_text()


@pytest.mark.holds(
    "A conftest.py beside src, or an __init__.py in tests, puts that folder on the path, and the test passes again.",
)
@pytest.mark.proves(f"{FOLDER}/src.sh")
@pytest.mark.parametrize(
    ("more", "status"), [(None, 2), ("conftest.py", 0), ("tests/__init__.py", 0)]
)
def test_what_puts_the_folder_of_the_project_on_the_path(
    tmp_path: Path, more: str | None, status: int
) -> None:
    script = (SNIPPETS / FOLDER / "src.sh").read_text()
    begin, found, _ = script.partition("pytest --quiet")
    assert found
    assert subprocess.run(["sh", "-euc", begin], cwd=tmp_path).returncode == 0
    if more:
        (tmp_path / more).touch()
    command = [f"{sysconfig.get_path('scripts')}/pytest", "--quiet", "-p", "no:cacheprovider"]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert done.returncode == status, done.stdout
    assert ("No module named 'rates'" in done.stdout) == (more is None)


def test_a_tree_that_is_edited_by_hand_is_refused() -> None:
    for lines in [*tree()[:-1], "└── utils/"], tree()[:-1]:
        with pytest.raises(RefusedError, match=r"structure/tree.out:\d+: .*Run `make update`"):
            hold_lines(f"{FOLDER}/tree.out", lines, updating=False)


def test_a_file_of_which_nothing_says_what_it_is_for_is_refused() -> None:
    with pytest.raises(RefusedError, match="nothing says what it is there for"):
        said_of(SERVICE / "notes.txt")
