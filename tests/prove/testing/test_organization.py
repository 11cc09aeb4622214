"""What the page on the layout of tests claims: each limit, order and worker, seen red and green."""

import ast
import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_timeout import SESSION_EXPIRE_KEY
from random_order.config import Config

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.inner import watched
from tests.parts.outputs import hold_lines
from tests.parts.service import SERVICE, ended, started
from tests.prove.twins import dont

FOLDER = "testing/organization"
HERE = SNIPPETS / FOLDER
SCRIPTS = ["limits.sh", "seeds.sh", "uncollected.sh"]
SETTINGS = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["pytest"]
SETUP = """
import os, pathlib, pytest, time
MEET = pathlib.Path(os.environ["MEET"])

@pytest.fixture(scope="session", autouse=True)
def made():
    (MEET / f"made-{os.environ['PYTEST_XDIST_WORKER']}").touch()

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.callspec.id))

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    (MEET / f"{item.path.stem}-{item.callspec.id}").touch()
    while len([*MEET.glob(f"{item.path.stem}-*")]) < 2:
        time.sleep(0.01)  # the other worker's fixtures have not run
"""
TEARDOWN = """
import pytest

@pytest.fixture(autouse=True)
def torn(request):
    yield
    with open("torn", "a") as file:
        file.write(f"{request.config.option.timeout_method} {request.node.name}\\n")
"""
THREAD = """
import asyncio, os
READ, NOTES = int(os.environ["READ"]), int(os.environ["NOTES"])

def block() -> None:
    os.read(READ, 1)
    os.write(NOTES, b"released\\n")

async def ask() -> None:
    try:
        await asyncio.to_thread(block)
    finally:
        os.write(NOTES, b"cancelled\\n")

def test_a_thread() -> None:
    asyncio.run(ask())
"""
SCOPES = {
    "conftest.py": "def name(): return 'all'",
    "orders/conftest.py": "def name(): return 'orders'\n@pytest.fixture\ndef order(): return 1",
    "orders/test_scope.py": "def test_near(name, order): assert name == 'orders'",
    "users/test_scope.py": "def test_far(name): assert name == 'all'\ndef test_not(order): pass",
}
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Give each test one place, and any order",
    "Let each test make what it changes, end by a time limit, and pass in any order and beside any other test.",
    "If you don't know where a fixture belongs, put it into the conftest.py of the narrowest folder that uses it.",
    "Install pytest, pytest-timeout, pytest-xdist and pytest-random-order.",
    "Share between tests what none of them can change, and make the rest anew for each test:",
    "Don't let a test need another",
    "Put the settings and both files into one folder.",
    "Do: write to a folder of the test's own",
    "Don't share a file between workers",
    "Set a time limit that limits",
    "Run this script beside it and the settings:",
    "Do: mend what a flaky test found",
    "Don't try again until it is green",
    "Let pytest-rerunfailures try this test again when it fails:",
    "Let the database decide where the stock is a row.",
    "Run the tests several times with these settings and --numprocesses=0, each time with a new seed, and mend what is red.",
    "Set the time limit, and then let two workers run the tests.",
    "Take each rerun away, and mend its race.",
    "Put own.py and the settings into a new folder, and refuse each test that pytest doesn't collect:",
]


JUDGEMENTS = [
    "We call a test flaky whose end changes while the code stays the same.",
]


def environment(**more: str) -> dict[str, str]:
    """Return what runs pytest with the page's plugins, and without our own settings."""
    kept = {k: told for k, told in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    return kept | {
        "PATH": f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-p timeout -p xdist -p random_order -p no:cacheprovider",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, and what a suite in two workers did, by name."""
    session, found, folder = pytestconfig.stash[STATE], Walk(), tmp_path_factory.mktemp("walk")

    def take(name: str) -> None:
        here = shutil.copytree(HERE, folder / name)
        (here / "conftest.py").write_text(TEARDOWN)
        begun, script = time.perf_counter(), HERE / name
        found[name] = done = ended(["sh", "-eu", str(script)], cwd=here, env=environment())
        torn = (here / "torn").read_text() if (here / "torn").exists() else ""
        found[f"torn by {name}"] = subprocess.CompletedProcess(name, 0, torn)
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - begun)
        if session.updating:
            script.with_suffix(".out").write_text(done.stdout)

    def workers() -> None:
        here = shutil.copytree(HERE, folder / "workers")
        (here / "conftest.py").write_text(SETUP)
        (here / "meet").mkdir()
        files = ["apart.py", "colliding.py"]
        options = ["-rA", "--numprocesses=2", "--dist=loadgroup", "--random-order-bucket=none"]
        command = ["pytest", *options, *files]
        inside = environment(MEET=str(here / "meet"), COLUMNS="300")
        found["workers"] = ended(command, cwd=here, env=inside)
        made = [path.name for path in (here / "meet").glob("made-*")]
        found["made"] = subprocess.CompletedProcess(command, 0, "\n".join(sorted(made)))

    def seeded() -> None:
        here = shutil.copytree(HERE, folder / "seeded")
        command = ["pytest", "-v", "--numprocesses=2", "--random-order-seed=1", "shared.py"]
        found["seeded"] = ended(command, cwd=here, env=environment())

    def scopes() -> None:
        for name, text in SCOPES.items():
            file = folder / "scopes" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            fixture = "@pytest.fixture\n" * name.endswith("conftest.py")
            file.write_text(f"import pytest\n{fixture}{text}\n")
        shutil.copy(HERE / "pyproject.toml", folder / "scopes")
        for mode in [], ["--import-mode=prepend", "-q"]:
            command = ["pytest", "-rA", "--numprocesses=0", *mode, "."]
            inside = environment(COLUMNS="300")
            found["prepend" if mode else "settings"] = ended(
                command, cwd=folder / "scopes", env=inside
            )

    steps: list[Callable[[], None]] = [*(lambda name=name: take(name) for name in SCRIPTS)]
    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(step) for step in [*steps, workers, scopes, seeded]]:
            done.result()
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (HERE / name).with_suffix(".out")
    assert done.stdout == out.read_text(), done.stderr
    return done.stdout.splitlines()


def pytests(*options: str, folder: Path = HERE) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with the settings of the page."""
    return ended(["pytest", *options], cwd=folder, env=environment())


def file_of(snippet: ModuleType) -> Path:
    """Return the file of a snippet."""
    return Path(str(snippet.__file__))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run pytest in this process with the plugins that a test names, and no others."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")


class Noting:
    """A plugin that notes how each try of a test ended, and whether the order is at random."""

    def __init__(self) -> None:
        self.tries, self.names, self.shuffles = list[str](), list[str](), list[bool]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the end of a try."""
        if report.when == "call":
            self.tries.append(report.outcome)
            self.names.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note whether the plugin for it changes the order."""
        if session.config.pluginmanager.hasplugin("random_order"):
            self.shuffles.append(Config(session.config).is_enabled)


def tries(file: Path, *options: str) -> Noting:
    """Run a file of tests in this process."""
    noting = Noting()
    watched(file, ["-c", "pytest.ini", *options], [noting])
    return noting


ALONE = "Alone, test_a_basket_is_paid fails"


@pytest.mark.holds(
    "A test passes with the others and fails alone.",
    "Without an option, pytest-random-order leaves the order as it is written.",
    "In the order of the file both tests pass.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/own.py", dont(f"{FOLDER}/shared.py", ALONE)], indirect=True
)
def test_each_test_passes_alone(snippet: ModuleType) -> None:
    file = file_of(snippet)
    written = tries(file, "-p", "random_order")
    assert (written.tries, written.shuffles) == (["passed", "passed"], [False])
    for name in "test_a_book_is_added", "test_a_basket_is_paid":
        assert tries(file, "-k", name).tries == ["passed"], f"Alone, {name} fails"


@pytest.mark.holds(
    "In one process, the same seed gives the same tests the same order, so repeat a red run with its seed and all its tests.",
    "Two workers share the tests out, so a seed doesn't repeat their run: with --numprocesses=2, shared.py is red with the seed 1 too.",
    "With -v, pytest-xdist names the worker of each test: run the tests of that worker again, in their order, in one process.",
    "A seed in which test_a_basket_is_paid comes first finds it:",
)
@pytest.mark.proves(f"{FOLDER}/seeds.sh")
def test_a_seed_finds_what_rests_on_order(walk: Walk) -> None:
    lines = told(walk, "seeds.sh")
    assert lines
    assert {line.partition(" ")[0] for line in lines} == {"shared.py::test_a_basket_is_paid"}
    assert len(lines) < 3  # and some seed doesn't
    for line in lines:
        seed = line.rpartition(" ")[2]
        options = ["-p", "random_order", "--random-order-bucket=global"]
        fewer = tries(HERE / "shared.py", *options, f"--random-order-seed={seed}")
        assert (fewer.shuffles, fewer.tries) == ([True], ["passed", "passed"])
    said, name = walk["seeded"].stdout, "test_a_basket_is_paid"
    assert not any(line.endswith(" 1") for line in lines)  # in one process, it is green
    (worker,) = re.findall(rf"^\[(gw\d)\].* FAILED shared.py::{name}", said, re.MULTILINE)
    assert re.findall(rf"^\[{worker}\].*::(\w+)", said, re.MULTILINE) == [name]
    assert tries(HERE / "shared.py", "-k", name).tries == ["failed"]
    files = [str(HERE / f"{each}.py") for each in ("own", "apart")]
    orders = [tries(HERE / "own.py", *options, *files, "--random-order-seed=2").names for _ in "ab"]
    assert orders[0] == orders[1]
    assert len(orders[0]) > len(lines)


@pytest.mark.holds(
    "With signal, the blocked task gets the exception, nobody reads it, and a test that took too long is green.",
    "With thread, pytest-timeout writes where each thread is, and ends the process: no test is reported.",
    "With thread, no line after yield runs in a fixture of that test, so a server that it started goes on.",
    "In workers, only the worker ends, pytest-xdist names the test, and the rest runs.",
    "The output of that worker is lost: run that test with --numprocesses=0 to see in which call it hangs.",
)
@pytest.mark.proves(f"{FOLDER}/limits.sh")
def test_a_limit_limits(walk: Walk) -> None:
    lines = told(walk, "limits.sh")
    asked, names = [line for line in lines if line.startswith("--")], "hung.py::test_"
    first, second, third = (lines.index(line) for line in asked)
    mail, orders = f"{names}a_mail_is_sent", f"{names}an_order_is_listed"
    assert sorted(lines[first + 1 : second]) == [f"PASSED {mail}", f"PASSED {orders}"]
    assert lines[second + 1 : third] == ["in deliver"]
    assert sorted(lines[third + 1 :]) == [f"FAILED {mail}", f"PASSED {orders}"]
    torn = walk["torn by limits.sh"].stdout
    assert "signal test_a_mail_is_sent" in torn
    assert "thread test_an_order_is_listed" in torn
    assert "thread test_a_mail_is_sent" not in torn


@pytest.mark.holds(
    "A task blocks the event loop, and the test waits for it:",
    "A task keeps its exception for the code that awaits it, and asyncio.wait only waits for its end.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/hung.py"], indirect=True)
def test_a_task_keeps_its_exception(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = list[bool]()

    def interrupted(_: threading.Event) -> None:
        blocked.append(asyncio.get_running_loop().is_running())
        pytest.fail("the limit")

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(pytest.fail.Exception, match="the limit"):
        asyncio.run(snippet.deliver())
    snippet.test_a_mail_is_sent()
    snippet.test_an_order_is_listed()
    assert blocked == [True, True]


@pytest.mark.holds(
    "Or a run hangs, and nothing says in which call.",
    "With signal, a thread that blocks keeps the run from its end, though the limit has ended its test.",
)
def test_a_thread_outlives_the_signal(tmp_path: Path) -> None:
    (tmp_path / "test_thread.py").write_text(THREAD)
    (read, write), (noted, notes) = os.pipe(), os.pipe()
    command = ["pytest", "--timeout=1", "--timeout-method=signal", "--numprocesses=0"]
    inside = environment(READ=str(read), NOTES=str(notes))
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "pass_fds": [read, notes]}
    with started(command, cwd=tmp_path, env=inside, **options) as process, open(noted) as seen:
        os.close(notes)
        assert seen.readline() == "cancelled\n"  # by the limit
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
        assert process.stdout
        said = os.read(process.stdout.fileno(), 10000).decode()
        os.write(write, b"x")
        rest = process.communicate()[0]
        assert seen.readline() == "released\n"
    os.close(read)
    os.close(write)
    assert "collected 1 item" in said
    assert "block" not in said
    assert "in block" in rest
    assert "1 failed" in rest
    assert process.returncode == 1


LEFT = """
import os, threading

def test_a_mail_is_queued() -> None:
    threading.Thread(target=os.read, args=(int(os.environ["READ"]), 1)).start()
"""


@pytest.mark.holds(
    "A thread that a test leaves blocked keeps the run from its end, and no limit of pytest-timeout ends it: give the job of your pipeline a limit too.",
)
@pytest.mark.proves(f"{FOLDER}/limits.sh")
def test_no_limit_ends_a_run_after_its_last_test(tmp_path: Path, walk: Walk) -> None:
    assert "in deliver" in told(walk, "limits.sh")
    (tmp_path / "test_left.py").write_text(LEFT)
    read, write = os.pipe()
    command = ["pytest", "--timeout=1", "--timeout-method=thread", "--session-timeout=1"]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "pass_fds": [read]}
    inside = environment(READ=str(read))
    with started([*command, "-s"], cwd=tmp_path, env=inside, **options) as process:
        assert process.stdout
        assert any("1 passed" in line for line in process.stdout)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)  # longer than both limits
        os.write(write, b"x")
        process.communicate()
    os.close(read)
    os.close(write)
    assert process.returncode == 0


@pytest.mark.holds("--session-timeout is looked at between two tests, so it ends none that hangs.")
def test_a_limit_of_the_session_waits_for_the_test(tmp_path: Path) -> None:
    file = tmp_path / "test_two.py"
    file.write_text("def test_first(late): late()\ndef test_second(late): late()\n")
    calls = list[int]()

    class Late:
        @pytest.fixture
        def late(self, request: pytest.FixtureRequest) -> Callable[[], None]:
            def end() -> None:
                calls.append(1)
                request.config.stash[SESSION_EXPIRE_KEY] = 1  # the session's time is over
                calls.append(2)

            return end

    noting = Noting()
    options = ["-c", "pytest.ini", "-p", "timeout", "--session-timeout=60"]
    watched(file, options, [Late(), noting])
    assert (calls, noting.tries) == ([1, 2], ["passed"])


WORKERS = "In two workers, one report holds the item of the other"


@pytest.mark.holds(
    "In one process both tests pass: each writes the file before it reads it.",
    "With --numprocesses=2, both may write report.csv before one reads it.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/apart.py", dont(f"{FOLDER}/colliding.py", WORKERS)], indirect=True
)
def test_two_workers_share_no_file(snippet: ModuleType, walk: Walk) -> None:
    file = file_of(snippet)
    assert tries(file).tries == ["passed", "passed"]
    said = walk["workers"].stdout
    failed = re.findall(rf"^FAILED {file.name}::\S+", said, re.MULTILINE)
    assert not failed, WORKERS
    assert len(re.findall(rf"^PASSED {file.name}::\S+", said, re.MULTILINE)) == 2, said


@pytest.mark.holds(
    'A worker is a process, so each makes a fixture with scope="session" of its own.'
)
def test_each_worker_has_a_session(walk: Walk) -> None:
    assert 'scope="session"' in SETUP
    assert walk["made"].stdout.split() == ["made-gw0", "made-gw1"]


@pytest.mark.holds(
    "A fixed port in two workers ends in Address already in use: let the server listen on port 0, and ask it which port it got.",
)
def test_a_fixed_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use"):
            socket.create_server(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", 0)) as second:
            assert second.getsockname()[1] not in (0, port)


RERUN = "The first try fails, the second passes, and the run is green"


@pytest.mark.holds(
    "The first try finds no price in PRICES, so each buyer awaits between the look at the stock and the sale.",
    "The rerun finds the price that the first try left, and passes.",
    "After each start of the service, two buyers at once get its last book.",
    "Or a second try is green, and the race that the first try found goes into production.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/sold.py", dont(f"{FOLDER}/raced.py", RERUN)], indirect=True
)
def test_no_rerun_is_needed(snippet: ModuleType) -> None:
    file = file_of(snippet)
    again = tries(file, "-p", "rerunfailures", "--reruns=1").tries
    assert again[-1] == "passed"
    if again == ["rerun", "passed"]:
        once = [*snippet.PRICES], tries(file).tries
        assert once == ([], ["failed"])
        snippet.PRICES["book"] = 20
        snippet.test_the_last_book_is_sold_once()
    assert again == ["passed"], RERUN


@pytest.mark.holds(
    "With one, the head of a run names its seed, unless you pass -q.",
    "pytest gives a fixture to the tests in the folder of its conftest.py and below, and of two with one name the nearer.",
    "With --import-mode=importlib, two folders may each have a file of one name, and a test can't import the file beside it: share what tests need in a fixture.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_a_conftest_is_for_its_folder(walk: Walk, tmp_path: Path) -> None:
    said = walk["settings"].stdout
    ends = re.findall(r"^(PASSED|ERROR) \S+::(\w+)", said, re.MULTILINE)
    assert sorted(ends) == [("ERROR", "test_not"), ("PASSED", "test_far"), ("PASSED", "test_near")]
    assert "fixture 'order' not found" in said
    prepended = walk["prepend"].stdout
    assert "import file mismatch" in prepended
    assert ["Using --random-order-seed=" in each for each in (said, prepended)] == [True, False]
    assert "--import-mode=importlib" in SETTINGS["addopts"]
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders/helping.py").write_text("ITEMS = ['book']\n")
    (tmp_path / "orders/test_import.py").write_text("import helping\ndef test_one(): pass\n")
    imported = {
        mode: pytests(f"--import-mode={mode}", folder=tmp_path) for mode in ("importlib", "prepend")
    }
    assert "No module named 'helping'" in imported["importlib"].stdout
    assert imported["prepend"].returncode == 0


@pytest.mark.holds("Write these settings into pyproject.toml:")
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_the_settings_are_those_that_were_seen(walk: Walk) -> None:
    assert SETTINGS["timeout_method"] == "thread"
    assert {"--numprocesses=2", "--random-order-bucket=global"} < {*SETTINGS["addopts"]}
    scripts = [(HERE / name).read_text() for name in SCRIPTS]
    assert not any("bucket" in script for script in scripts)  # seeds.sh is red by the settings
    assert told(walk, "seeds.sh")


def about(file: Path) -> str:
    """Return what a file is there for, by the first words of its docstring."""
    first = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    return first[:1].lower() + re.split(r"[:;,.]", first[1:])[0]


def modules() -> set[str]:
    """Return the names of what the service consists of."""
    source = SERVICE / "src/accounts"
    return {path.stem for path in source.rglob("*") if path.is_dir() or path.suffix == ".py"}


def tree(folder: Path, indent: str = "") -> Iterator[str]:
    """Return the lines of the tree below a folder of tests, from what is on disk."""
    files = sorted(folder.glob("*.py"))
    folders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._")
    tests = [path.stem.removeprefix("test_") for path in files if path.stem.startswith("test_")]
    lines = [[f"{p.name:<15} {about(p)}"] for p in files if p.stem.removeprefix("test_") == p.stem]
    known = [name for name in tests if name in modules()]
    for what, names in ("by module", known), ("the rest", sorted({*tests} - {*known})):
        if names:
            first, *more = textwrap.wrap(" ".join(names), 56 - len(indent))
            label = f"test_*.py, {what}:" if len(names) < len(tests) or len(tests) > 1 else ""
            label = label or f"test_{names[0]}.py"
            lines.append([f"{label:<21} {first if len(tests) > 1 else ''}".rstrip()])
            lines[-1] += [" " * 22 + line for line in more]
    lines += [[f"{below.name}/", *tree(below)] for below in folders]
    for at, (first, *more) in enumerate(lines):
        last = at == len(lines) - 1
        yield f"{'└' if last else '├'}── {first}"
        yield from (f"{' ' if last else '│'}   {line}" for line in more)


@pytest.mark.holds(
    "This is the tree of the service's tests.",
    "A file of tests has the name of the module or package that it tests, and the rest have the name of what they show.",
    "Tests that take parts away stand in survival/, beside the conftest.py that starts processes.",
)
@pytest.mark.proves(f"{FOLDER}/tree.out")
def test_the_tree_is_that_of_the_service(pytestconfig: pytest.Config) -> None:
    lines = ["tests/", *tree(SERVICE / "tests")]
    hold_lines(f"{FOLDER}/tree.out", lines, pytestconfig.option.update_examples)
    assert re.search(r"by module: .*\bservices\b", re.sub(r"\n[│ ]+", " ", "\n".join(lines)))
    assert "survival/" in "\n".join(lines)
    assert "def serving(" in (SERVICE / "tests/survival/conftest.py").read_text()


@pytest.mark.holds(
    "pytest collects tests_basket.py only where the command names it, so its author sees it green, and the pipeline never runs it.",
    "pytest collects no class whose name doesn't begin with Test, unless it is a TestCase.",
    "Each test of a name counts, so the script also refuses a file in which one test hides another.",
)
@pytest.mark.proves(f"{FOLDER}/uncollected.sh")
def test_a_test_that_is_not_collected_is_named(walk: Walk, tmp_path: Path) -> None:
    nothing, *names, refused, passed = told(walk, "uncollected.sh")
    assert nothing == "refused: no test at all"
    assert (refused, passed) == ("refused", "passed")
    written = re.findall(r"def (test_\w+)", (HERE / "own.py").read_text())
    basket = {f"tests/orders/tests_basket.py::{name}" for name in written}
    assert {*names} == basket | {"tests/orders/test_prices.py::test_another"}
    prefix = "Test"
    assert f"s/Prices/{prefix}Prices/" in (HERE / "uncollected.sh").read_text()
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(HERE / "own.py", tests / "tests_basket.py")
    assert "2 passed" in pytests("tests/tests_basket.py", folder=tmp_path).stdout
    case = "import unittest\nclass Prices(unittest.TestCase):\n    def test_one(self): pass\n"
    (tests / "test_case.py").write_text(case)
    twice = tests / "test_twice.py"
    twice.write_text("def test_one(): assert 0\ndef test_one(): pass\n")
    collected = pytests("tests", "-rp", folder=tmp_path).stdout
    ran = {"tests/test_case.py::Prices::test_one", "tests/test_twice.py::test_one"}
    assert {*re.findall(r"^PASSED (\S+)", collected, re.MULTILINE)} == ran
    function = (HERE / "uncollected.sh").read_text().partition("\n}\n")[
        0
    ] + "\n}\nuncollected tests"
    (tests / "tests_basket.py").unlink()

    one = "    def test_one(self, n): pass\n"
    many = "import pytest\n@pytest.mark.parametrize('n', [1, 2])\nclass TestOne:\n"
    sources = {
        "twice": "def test_one(): assert 0\ndef test_one(): pass\n",
        "other": f"class TestOne:\n{one}class Other:\n{one}",
        "many": f"{many}{one}class Other:\n{one}",
        "both": f"{many}{one}class TestOther:\n{one}",
    }
    for name, source in sources.items():
        (tests / f"test_{name}.py").write_text(source)
    refusal = ended(["sh", "-c", function], cwd=tmp_path, env=environment()).stdout
    assert refusal == "".join(
        f"tests/test_{name}.py::test_one\n" for name in ("many", "other", "twice")
    )
