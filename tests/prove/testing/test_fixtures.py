"""What the page on asynchronous tests and fixtures claims."""

import asyncio
import importlib.metadata
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.engine.pages import DOCS, ROOT, SNIPPETS
from tests.parts.inner import BARE, Ends, Noted, told_by, watched
from tests.parts.postgres import column
from tests.parts.service import BIN
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/fixtures"
HERE = SNIPPETS / FOLDER
ROWS = {row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"}
WIDE = ["asyncio_default_fixture_loop_scope", "asyncio_default_test_loop_scope"]
AUTO = "anyio_mode = auto"
TABLE = """
import anyio, asyncio, pytest
LEFT, SEEN, SAME = [], [], []
marked = [pytest.mark.asyncio, pytest.mark.anyio]
async def fail(): raise ConnectionError("it failed")
@pytest.fixture
async def order(): yield 1
@pytest.fixture(scope="session")
async def loop(): return asyncio.get_running_loop()
async def test_plain(): raise RuntimeError("it ran")
async def test_marked(): raise RuntimeError("it ran")
async def test_fixture(order): raise RuntimeError(f"it ran {order}")
def test_sync(order): raise RuntimeError(f"it ran {order}")
async def test_task(): await asyncio.wait([asyncio.create_task(fail())])
async def test_left(): LEFT.append(asyncio.create_task(asyncio.Event().wait()))
async def test_beside(): assert not LEFT[-1].done(), f"cancelled: {LEFT[-1].cancelled()}"
@pytest.fixture
async def seen():
    SEEN.append(("fixture", asyncio.get_running_loop()))
    yield
    SEEN.append(("rest", asyncio.get_running_loop()))
async def test_seen(seen): SEEN.append(("test", asyncio.get_running_loop()))
def test_closed():
    (first, opened), (second, used), (third, left) = SEEN[-3:]
    assert [first, second, third] == ["fixture", "test", "rest"]
    assert opened is used is left and left.is_closed()
@pytest.fixture
async def group():
    async with anyio.create_task_group() as group:
        before = asyncio.current_task()
        yield
        SAME.append(asyncio.current_task() is before)
async def test_group(group): pass
def test_same(): assert SAME == [True]
async def test_wide(loop): assert loop is asyncio.get_running_loop()
async def test_wider(loop): assert loop is asyncio.get_running_loop()
for each in test_marked, test_fixture, test_task, test_left, test_beside, test_group, test_wide, test_wider:
    each.pytestmark = list(marked)
"""
IDLE = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle in transaction'
"""


INSTRUCTIONS = [
    "Write asynchronous tests that run",
    "Let one plugin run each async def test, turn each warning into an error, and close in a fixture what it opens.",
    "If you don't know whether a test can fail, change what it tests, and see the test fail.",
    "Install pytest and pytest-asyncio, and look at await in the test.",
    "Don't forget await",
    "Don't write an async def test in a TestCase",
    "Do: close in a fixture what it opens",
    "Put what must run into finally.",
    "Install pytest-asyncio, sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't return an open session",
    "Do: make for each test what belongs to its loop",
    "Don't share an engine between loops",
    "Write the settings, run the tests, and mend what is red.",
    "Search for an engine or a client that a test file makes on import, and move it into a fixture.",
    "Give each fixture an async with, or a finally that closes.",
    "Cancel or await each task before its test ends.",
]


Pytest = Callable[..., Noted]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgres: Any) -> Pytest:
    """What runs pytest on a file in this process, with AnyIO's plugin and a database."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    settings = tmp_path / "pytest.ini"
    settings.write_text(f"[pytest]\n{AUTO}\nmarkers = asyncio: of the other plugin\n")

    def inner(file: Path, *options: str, plugins: Any = (), anew: bool = True) -> Noted:
        if anew and "DATABASE_URL" in file.read_text():
            monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg:{postgres.create()}")
        return watched(file, ["-c", str(settings), "-p", "anyio", *options], plugins)

    return inner


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> dict[str, Ends]:
    """How tests end under pytest-asyncio, which the service's environment has, by run."""
    folder = tmp_path_factory.mktemp("batch")
    table, settings = folder / "test_table.py", folder / "pytest.ini"
    table.write_text(TABLE)
    settings.write_text("[pytest]\nmarkers =\n    anyio: of the other plugin\n    asyncio: too\n")
    files = [str(HERE / f"{n}.py") for n in ("awaited", "closed", "looped", "shared")]
    page = ["-c", str(HERE / "pyproject.toml"), "-o", "markers=anyio: of the other plugin"]
    wide = [word for each in WIDE for word in ("-o", f"{each}=session")]
    runs = {
        "none": ["-p", "no:asyncio", "-c", str(settings), str(table)],
        "strict": ["-c", str(settings), str(table)],
        "auto": [*page, str(table)],
        "wide": [*page, *wide, str(table)],
        "page": [*page, *files],
        "unawaited": [*page, str(HERE / "unawaited.py")],
        "case": [*page, str(HERE / "case.py")],
    }
    told = {name: ["-p", "asyncio", *options] for name, options in runs.items()}
    return told_by(f"{BIN}/python", told, f"postgresql+asyncpg:{postgres.create()}", folder)


def file_of(snippet: ModuleType) -> Path:
    """Return the file of a snippet."""
    return Path(str(snippet.__file__))


GREEN = "where no order is paid, the test passes too"


@pytest.mark.holds(
    "The tests are green, and the first user finds that an order isn't paid: nobody awaited the test.",
    "A coroutine that nobody awaits is true: where no warning is an error, the test passes whatever is_paid returns.",
    "TestCase calls the method and awaits nothing: where no warning is an error, a test that never ran is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/awaited.py",
        dont(f"{FOLDER}/unawaited.py", GREEN),
        dont(f"{FOLDER}/case.py", GREEN),
    ],
    indirect=True,
)
def test_a_test_can_fail(snippet: ModuleType, run: Pytest, tmp_path: Path) -> None:
    name = "test_an_order_is_paid"
    assert run(file_of(snippet)).ended[name][0] == "passed"
    broken = tmp_path / "test_broken.py"
    broken.write_text(file_of(snippet).read_text().replace("{1}", "{2}"))
    assert run(broken).ended[name][0] == "failed", GREEN


@pytest.mark.holds(
    "Use IsolatedAsyncioTestCase, which awaits it.",
    "A call of an async def function returns a coroutine, and runs nothing of it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/case.py"], indirect=True)
def test_a_case_of_its_own_awaits(snippet: ModuleType, run: Pytest, tmp_path: Path) -> None:
    called = snippet.OrderTest("test_an_order_is_paid").test_an_order_is_paid()
    assert inspect.getcoroutinestate(called) == inspect.CORO_CREATED
    asyncio.run(called)
    isolated = tmp_path / "test_isolated.py"
    source = file_of(snippet).read_text().replace("{1}", "{2}")
    isolated.write_text(source.replace("TestCase", "IsolatedAsyncioTestCase"))
    assert run(isolated).ended["test_an_order_is_paid"][0] == "failed"


@pytest.mark.holds(
    "Run pytest with -W error: the test without await and the one in a TestCase are red.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unawaited.py", f"{FOLDER}/case.py"], indirect=True)
def test_warnings_show_what_did_not_run(
    snippet: ModuleType, run: Pytest, batch: dict[str, Ends]
) -> None:
    file, name = file_of(snippet), "test_an_order_is_paid"
    assert run(file, *shlex.split("-W error")).ended[name][0] == "failed"
    assert batch[file.stem][name][0] == "failed"
    assert asyncio.run(snippet.is_paid(1))


KEPT = """
import asyncio
KEPT = []
async def is_paid(order): return False
async def test_an_order_is_paid():
    KEPT.append(is_paid(1))
    assert KEPT[0]
"""


def status(folder: Path, file: str) -> int:
    """Return how pytest ends there, with pytest-asyncio and the settings that it finds."""
    inside = {name: told for name, told in os.environ.items() if "PYTEST" not in name}
    command = [f"{BIN}/python", "-m", "pytest", "-p", "asyncio", "-p", "no:cacheprovider", file]
    inside["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(command, cwd=folder, env=inside, capture_output=True).returncode


@pytest.mark.holds(
    "An empty pytest.ini hides this table, and no warning is an error then.",
    "A coroutine that a global keeps is freed after the last test, so its warning turns no test red.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_what_the_settings_do_not_see(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "case.py"):
        (tmp_path / name).write_text((HERE / name).read_text())
    (tmp_path / "kept.py").write_text(KEPT)
    (tmp_path / "freed.py").write_text(KEPT + "    KEPT.clear()\n")
    assert [status(tmp_path, f"{name}.py") for name in ("case", "freed", "kept")] == [1, 1, 0]
    (tmp_path / "pytest.ini").touch()
    assert status(tmp_path, "case.py") == 0


@pytest.mark.holds("mypy with truthy-bool reports the missing await before anything runs.")
def test_a_type_checker_sees_the_missing_await() -> None:
    files = [HERE / "awaited.py", HERE / "case.py", HERE / "unawaited.py"]
    mypy = ["mypy", "--enable-error-code=truthy-bool", *map(str, files)]
    told = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True).stdout
    (reported,) = re.findall(r"(\w+)\.py:\d+: error: .*\[truthy-bool\]", told)
    assert reported == "unawaited"


def left(postgres: Any) -> int:
    """Return how many connections the last run didn't close."""
    return int(asyncio.run(postgres.left(os.environ["DATABASE_URL"].rpartition("/")[2])))


HANGS = "It waits for a lock: .* lock timeout"


@pytest.mark.holds(
    "The test passes, and its transaction stays open: DROP TABLE waits for its lock, and without lock_timeout the run hangs.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/closed.py", dont(f"{FOLDER}/unclosed.py", HANGS)], indirect=True
)
def test_a_session_is_closed(
    snippet: ModuleType, run: Pytest, tmp_path: Path, postgres: Any
) -> None:
    failing = tmp_path / "test_failing.py"
    failing.write_text(file_of(snippet).read_text().replace('== "book"', '== "pen"'))
    assert snippet.PATIENCE == {"server_settings": {"lock_timeout": "1s"}}
    outcome, said = run(file_of(snippet)).ended["test_an_order_is_stored"]
    assert outcome == "passed", f"It waits for a lock: {said.splitlines()[0].rpartition(') ')[2]}"
    assert run(failing).ended["test_an_order_is_stored"][0] == "failed"
    assert left(postgres) == 0


CHECKED = '    assert found == "book"'
DROPPED = """    await session.execute(text("DROP TABLE orders"))
    await session.commit()
    assert found == "book\""""


@pytest.mark.holds(
    "pytest runs the lines after yield also when the test failed, but not when the process was killed, or when one of them failed before.",
    "Where orders is there already, CREATE TABLE fails, so the fixture drops no table that it didn't make.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/closed.py"], indirect=True)
def test_what_runs_after_yield(
    snippet: ModuleType, run: Pytest, tmp_path: Path, postgres: Any
) -> None:
    source, name = file_of(snippet).read_text(), "test_an_order_is_stored"
    changes = {
        "killed": "    os.kill(os.getpid(), 9)",
        "dropped": DROPPED,
        "failing": "    assert 0",
    }
    files = {each: tmp_path / f"test_{each}.py" for each in changes}
    for each, file in files.items():
        assert CHECKED in source
        file.write_text(source.replace(CHECKED, changes[each]))

    def remaining() -> list[Any]:
        return column(os.environ["DATABASE_URL"], "SELECT to_regclass('orders')::text")

    assert run(files["failing"]).ended[name][0] == "failed"
    assert remaining() == [None]
    options = [*BARE, "-c", str(tmp_path / "pytest.ini"), "-p", "anyio", str(files["killed"])]
    killed = subprocess.run([sys.executable, "-m", "pytest", *options], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert remaining() == ["orders"]
    outcome, said = run(file_of(snippet), anew=False).ended[name]
    assert outcome == "error"
    assert 'relation "orders" already exists' in said
    assert remaining() == ["orders"]
    outcome, said = run(files["dropped"]).ended[name]
    assert outcome == "error"
    assert 'table "orders" does not exist' in said
    assert left(postgres) == 0


class Ending:
    """A plugin that ends the session's connection as soon as its fixture has ended."""

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """End what is idle in a transaction, as a server with a limit for that does."""
        if fixturedef.argname == "session":
            column(os.environ["DATABASE_URL"], IDLE)


@pytest.mark.holds(
    "Where the server ends an idle transaction first, the same run is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unclosed.py"], indirect=True)
def test_a_database_may_hide_it(snippet: ModuleType, run: Pytest) -> None:
    noted = run(file_of(snippet), plugins=[Ending()])
    assert noted.ended == {"test_an_order_is_stored": ("passed", "")}


OTHER = "attached to a different loop"


@pytest.mark.holds(
    'Or a test passes alone, and with others ends in "attached to a different loop", or the run hangs where a table is dropped.',
    "With the settings above, each test has an event loop of its own.",
    "The first test leaves its connection in the pool, and the second test gets it in another loop.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/looped.py", dont(f"{FOLDER}/shared.py", OTHER)], indirect=True
)
def test_each_test_has_its_loop(snippet: ModuleType, run: Pytest, postgres: Any) -> None:
    first, second = run(file_of(snippet)).ended.values()
    assert first == ("passed", "")
    assert second == ("passed", ""), f"The connection is {second[1].rpartition('> ')[2]}"
    assert left(postgres) == 0


@pytest.mark.holds("Each of them passes alone.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_alone_each_passes(snippet: ModuleType, run: Pytest) -> None:
    for name in ("test_orders_are_counted", "test_invoices_are_counted"):
        assert run(file_of(snippet), "-k", name).ended == {name: ("passed", "")}


@pytest.mark.holds("Write the settings of the plugin once, in pyproject.toml:")
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_the_settings_run_all(batch: dict[str, Ends], record_property: Any) -> None:
    record_property("figure", importlib.metadata.version("pytest").partition(".")[0])
    passed = ["test_an_order_is_paid", "test_an_order_is_stored", "test_orders_are_counted"]
    assert [batch["page"][name][0] for name in passed] == ["passed"] * 3
    assert OTHER in batch["page"]["test_invoices_are_counted"][1]


def cell(end: tuple[str, str]) -> str:
    """Return what the table says of how a test ended."""
    outcome, said = end
    if "it failed" in said:
        return "fails"
    return "runs" if "it ran" in said else "passes" if outcome == "passed" else "refused"


@pytest.mark.holds(
    "These are pytest (9.2), pytest-asyncio (1.5) and AnyIO (4.16):",
    "an async def test | refused | runs | runs",
    "an async def test with the plugin's mark | runs | runs | runs",
    "an async def fixture under pytest.fixture | refused | runs | runs",
    "the same fixture in a def test | refused | runs | refused",
    "a task that fails, and nobody awaits it | passes | passes | fails",
    "a task that has not ended | passes | passes | passes",
    "AnyIO comes with FastAPI, and its plugin reads anyio_mode where pytest-asyncio reads asyncio_mode.",
    "strict is what each plugin does without a setting.",
    "Without a plugin, pytest refuses each async def test.",
    "When a loop is closed, the plugin cancels the tasks that still run in it.",
    "pytest-asyncio runs the lines after yield in another task, so AnyIO's create_task_group round a yield fails there, and passes with AnyIO's plugin.",
    "The plugin opens a loop, runs the fixture up to yield, the test, and the rest, and closes the loop.",
)
def test_what_each_plugin_runs(
    batch: dict[str, Ends], run: Pytest, tmp_path: Path, record_property: Any
) -> None:
    table = tmp_path / "test_table.py"
    table.write_text(TABLE)
    unset = tmp_path / "unset.ini"
    of_anyio = AUTO.partition(" ")[0].partition("=")[0]
    (of_asyncio,) = re.findall(r'(?m)^(\w+) = "auto"', (HERE / "pyproject.toml").read_text())
    record_property("says", f"its plugin reads {of_anyio} where pytest-asyncio reads {of_asyncio}")
    unset.write_text("[pytest]\nmarkers = asyncio: of the other plugin\n")
    anyio, strict = run(table).ended, run(table, "-c", str(unset)).ended
    of = {
        "an async def test": "test_plain",
        "an async def test with the plugin's mark": "test_marked",
        "an async def fixture under pytest.fixture": "test_fixture",
        "the same fixture in a def test": "test_sync",
        "a task that fails, and nobody awaits it": "test_task",
        "a task that has not ended": "test_left",
    }
    ways = batch["strict"], batch["auto"], anyio
    assert {" | ".join([row, *(cell(way[of[row]]) for way in ways)]) for row in of} == ROWS
    assert (cell(strict["test_plain"]), cell(strict["test_marked"])) == ("refused", "runs")
    for name, needed in (("fastapi", "starlette"), ("starlette", "anyio")):
        needs = importlib.metadata.requires(name) or []
        assert any(need.startswith(needed) for need in needs)
    assert {cell(end) for end in batch["none"].values()} == {"refused"}
    for way in ways:
        assert "cancelled: True" in way["test_beside"][1]
    assert {way["test_closed"] for way in (batch["auto"], anyio)} == {("passed", "")}
    (end, why), inside = batch["auto"]["test_group"], anyio["test_group"]
    assert (end, inside) == ("error", ("passed", ""))
    assert "exit cancel scope in a different task" in why
    assert (batch["auto"]["test_same"][0], anyio["test_same"][0]) == ("failed", "passed")
    versions = {name: importlib.metadata.version(name) for name in ("pytest", "anyio")}
    shown = subprocess.run(
        [f"{BIN}/python", "-c", "import pytest_asyncio as p; print(p.__version__)"],
        capture_output=True,
        text=True,
    )
    for version in (*versions.values(), shown.stdout):
        record_property("figure", ".".join(version.split(".")[:2]))


@pytest.mark.holds(
    "A wider fixture needs a wider loop",
    'With the settings above, an async def fixture with scope="session" is refused with ScopeMismatch.',
    "Set asyncio_default_fixture_loop_scope and asyncio_default_test_loop_scope to session, and all tests share its loop.",
    "A task that one test leaves in that loop runs beside the next test.",
)
def test_a_wider_fixture_needs_a_wider_loop(batch: dict[str, Ends]) -> None:
    assert "ScopeMismatch" in batch["auto"]["test_wide"][1]
    defaults = (HERE / "pyproject.toml").read_text()
    assert [each in defaults for each in WIDE] == [True, False]  # a test's is its own by default
    for name in ("test_wide", "test_wider", "test_beside"):
        assert batch["wide"][name][0] == "passed"


@pytest.mark.holds(
    "The service's fixtures close the engine and end the lifespan:",
)
@pytest.mark.service(
    "tests/test_repositories.py::test_an_added_user_is_there_for_others",
    "tests/test_handlers.py::test_a_created_user_can_be_read",
)
@pytest.mark.proves("service/tests/conftest.py")
def test_the_service_closes_what_it_opens(service: Callable[[], None]) -> None:
    service()
