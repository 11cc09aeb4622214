"""What the page on unit tests claims."""

import asyncio
import gc
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import AsyncMock, create_autospec, patch

import pytest

from tests.engine.pages import DOCS, ROOT, SNIPPETS
from tests.parts import rules
from tests.parts.evidence import failing
from tests.parts.inner import ends
from tests.parts.postgres import column
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/unit"
GET = "async def get(", "async def read("
FORGOTTEN = "await self.orders.save(order)", "self.orders.save(order)"
MISSPELT = "orders.save.assert_awaited_once_with", "orders.save.awaited_once_with"
ADD = "    async def add(self, order: Order) -> None:\n        self.session"
MOCK = "create_autospec(SqlOrders, instance=True)"
CHANGES = {
    "add is renamed": (ADD, ADD.replace("add(", "insert(")),
    "add needs a user too": (ADD, ADD.replace("order: Order", "order: Order, user: int")),
    "add doesn't flush": ("        await self.session.flush()\n", ""),
}
ROWS = [row.text.split(" | ") for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"]
MIGRATED = "CREATE TABLE orders (id serial PRIMARY KEY, item text)"
GIVEN = "SELECT last_value FROM orders_id_seq"
Holds = Callable[[], None]
Plant = Callable[..., ModuleType]


INSTRUCTIONS = [
    "Give each test double the signatures of the real part, and run one test on the double and on the real part.",
    "If you don't know which double to take, use create_autospec.",
    "Run pytest with the file.",
    "Don't take a mock that accepts every call",
    "Don't ask only whether it was called",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't let a double give what the real part forgot",
    "Use a mock where the use case asks once, or where the test needs an error.",
    "Use a fake where the use case reads what it wrote.",
    "Test a query on the database, because no double runs it.",
    "Don't rename a method on one side",
    "Pass the repository to the use case, so that a test can pass another.",
    "Replace each AsyncMock() by create_autospec with the class of the part.",
    "Replace assert_called_once_with by assert_awaited_once_with where the method is async def.",
    "Move what a fake promises into one test, and run that on the real part too.",
    "Let Ruff refuse the mocks that accept every call, with these lines in pyproject.toml:",
    "Copy check_orders, and run it on each double and on the part that it stands in for.",
]


JUDGEMENTS = [
    "We call what stands in for a part while a test runs a test double: a mock answers what the test tells it, and a fake works in memory.",
]


@pytest.fixture
def plant(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """What gives the snippet with some of its text replaced."""

    def planted(*changes: tuple[str, str]) -> ModuleType:
        module = ModuleType("planted")
        monkeypatch.setitem(sys.modules, "planted", module)
        exec(compile(changed(snippet, *changes), "planted.py", "exec"), vars(module))  # noqa: S102  it is the block
        return module

    return planted


def changed(snippet: ModuleType, *changes: tuple[str, str]) -> str:
    """Return the text of a snippet with some of it replaced."""
    text = Path(str(snippet.__file__)).read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def raised(test: Callable[[], None]) -> str:
    """Return the name of what a test raises, or nothing."""
    try:
        test()
    except (AssertionError, AttributeError, TypeError) as error:
        return type(error).__name__
    return ""


def typed(folder: Path, text: str) -> list[str]:
    """Return what mypy finds in a text: each line, and the code of its error."""
    module = folder / "module.py"
    module.write_text(text)
    command = ["mypy", "--no-error-summary", "--hide-error-context", str(module)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode in (0, 1), told.stderr
    lines = text.splitlines()
    return [
        f"{lines[int(line.split(':')[1]) - 1].strip()} {line.rpartition(' ')[2]}"
        for line in told.stdout.splitlines()
        if ": error: " in line
    ]


@pytest.mark.holds(
    "Test a use case without its database",
    "Look at create_autospec: the mock has the methods of OrderRepository, and each takes the same arguments.",
    "Rename get in the repository, and the test fails with AttributeError and asks no database.",
    "Rename get in this repository, and the test stays green:",
    "An AsyncMock() invents each method that somebody calls.",
    "So without assert_, the check orders.save.awaited_once_with passes where nothing is saved and no warning is an error, and ends in AttributeError in specced.py.",
    "Add an argument that the call leaves out, and the test fails with TypeError.",
    "The mock has no attribute that only __init__ sets: let the test set it.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/specced.py",
        f"{FOLDER}/called.py",
        dont(f"{FOLDER}/loose.py", "without get in the repository, the test is green"),
    ],
    indirect=True,
)
def test_a_renamed_method_turns_the_test_red(snippet: ModuleType, plant: Plant) -> None:
    orders = snippet.OrderRepository()
    for call in (orders.get(7), orders.save(snippet.Order(7))):
        with pytest.raises(ConnectionError, match=r"db\.example\.org"):
            asyncio.run(call)
    snippet.test_an_order_is_paid()
    renamed = plant(GET)
    assert not hasattr(renamed.OrderRepository, "get")
    found = raised(renamed.test_an_order_is_paid)
    assert found == "AttributeError", "without get in the repository, the test is green"
    needs = plant((GET[0] + "self, number: int", GET[0] + "self, number: int, user: int"))
    assert raised(needs.test_an_order_is_paid) == "TypeError"
    assert MISSPELT[1] == MISSPELT[0].replace("assert_", "")
    if "specced" in snippet.__name__:
        assert raised(plant(MISSPELT).test_an_order_is_paid) == "AttributeError"
        with pytest.raises(AttributeError, match="orders"):
            _ = create_autospec(snippet.OrderService, instance=True).orders


@pytest.mark.holds(
    "A method of the repository is renamed, all unit tests are green, and each request ends with an AttributeError.",
    "The tests replaced the repository by a mock that accepts every call.",
    "mypy reports the call in pay with attr-defined then, and nothing in the test.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/loose.py"], indirect=True)
def test_a_loose_mock_hides_what_each_request_meets(
    snippet: ModuleType, plant: Plant, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        plant(MISSPELT, (FORGOTTEN[0], "pass")).test_an_order_is_paid()
        gc.collect()
    renamed = plant(GET)
    renamed.test_an_order_is_paid()
    with pytest.raises(AttributeError, match="no attribute 'get'"):
        asyncio.run(renamed.OrderService(renamed.OrderRepository()).pay(7))
    call = "order = await self.orders.get(number)"
    assert typed(tmp_path, changed(snippet, GET)) == [f"{call} [attr-defined]"]


@pytest.mark.holds(
    "A call of an async def does nothing until it is awaited, and a mock counts it before.",
    "Take the second await out of this pay: nothing is saved, and where no warning is an error, the test stays green.",
    "With assert_awaited_once_with in its place, the test fails.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/specced.py",
        dont(f"{FOLDER}/called.py", "without that await, the test is green"),
    ],
    indirect=True,
)
def test_a_forgotten_await_turns_the_test_red(snippet: ModuleType, plant: Plant) -> None:
    forgetful = plant(FORGOTTEN)
    saved = list[object]()

    class Saving(forgetful.OrderRepository):  # type: ignore[misc,name-defined]  # it is planted
        async def get(self, number: int) -> Any:
            return forgetful.Order(number)

        async def save(self, order: object) -> None:
            saved.append(order)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        asyncio.run(forgetful.OrderService(Saving()).pay(7))
        found = raised(forgetful.test_an_order_is_paid)
        gc.collect()
    assert not saved
    assert found == "AssertionError", "without that await, the test is green"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/called.py"], indirect=True)
def test_a_warning_shows_a_forgotten_await(snippet: ModuleType, tmp_path: Path) -> None:
    file = Path(str(snippet.__file__))
    assert ends(tmp_path, file) == {"test_an_order_is_paid": "passed"}
    assert ends(tmp_path, file, FORGOTTEN) == {"test_an_order_is_paid": "failed"}


@pytest.mark.holds("mypy reports the line with unused-coroutine.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/called.py"], indirect=True)
def test_mypy_sees_a_forgotten_await(snippet: ModuleType, tmp_path: Path) -> None:
    assert typed(tmp_path, changed(snippet, FORGOTTEN)) == [f"{FORGOTTEN[1]} [unused-coroutine]"]


@pytest.mark.holds(
    "Do: run one test on the double and on the real part",
    "Look at check_orders: the fake, the mock and the real part go through it.",
    "The test on the database commits nothing, so it leaves no row behind.",
    "A sequence doesn't take back a number, so check_orders expects no number of its own.",
    "Here add doesn't flush, and the session asks the database for the number later.",
    "The fake and the mock hand out numbers themselves, so their tests are green.",
    "Only the test on the database fails.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/alike.py", dont(f"{FOLDER}/unflushed.py", "/orders/None")], indirect=True
)
def test_the_real_part_passes_what_its_doubles_pass(
    snippet: ModuleType, plant: Plant, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    snippet.test_on_a_fake()
    snippet.test_on_a_mock()
    snippet.test_on_the_database()
    lasting = plant(('["TEMPORARY"]', "[]"))
    for _ in range(2):  # the second would find a table that the first one left
        lasting.test_on_the_database()
    create = "                await connection.execute(CreateTable(TABLE))\n"
    migrated = plant(('["TEMPORARY"]', "[]"), (create, ""))
    assert column(database, MIGRATED) == []
    for given in (2, 4):
        migrated.test_on_the_database()
        assert column(database, GIVEN) == [given]
        assert column(database, "SELECT id FROM orders") == []


@pytest.mark.holds(
    "AsyncMock() | green | green | green",
    "AsyncMock(spec=SqlOrders) | red | green | green",
    "create_autospec(SqlOrders, instance=True) | red | red | green",
    "FakeOrders() | green | green | green",
    "SqlOrders(session) | red | red | red",
    "What each double sees",
    "Each column is a change of SqlOrders, and each row what check_orders says of it:",
    "A fake has its own methods, so no change of the real part reaches it.",
    "A mock knows no behaviour: what its method returns, raises or stores is what the test says.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/alike.py"], indirect=True)
def test_what_each_double_sees(
    plant: Plant, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    assert [name for name, *_ in ROWS] == [
        "AsyncMock()",
        "AsyncMock(spec=SqlOrders)",
        "create_autospec(SqlOrders, instance=True)",
        "FakeOrders()",
        "SqlOrders(session)",
    ]
    tests = {"FakeOrders()": "test_on_a_fake", "SqlOrders(session)": "test_on_the_database"}
    for name, *colours in ROWS:
        double = (
            [] if name in tests else [(MOCK, name), ("import create", "import AsyncMock, create")]
        )
        test = tests.get(name, "test_on_a_mock")
        assert raised(getattr(plant(*double), test)) == ""
        for change, colour in zip(CHANGES.values(), colours, strict=True):
            found = raised(getattr(plant(*double, change), test))
            assert ("red" if found else "green") == colour, (name, change, found)


@pytest.mark.holds(
    "A mock that nobody tells what to return answers with another mock, which is true.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/specced.py"], indirect=True)
def test_a_mock_that_is_told_nothing_is_true(snippet: ModuleType) -> None:
    for orders in (AsyncMock(), create_autospec(snippet.OrderRepository, instance=True)):
        assert asyncio.run(orders.get(7))


TESTS = "tests/test_services.py::TestUserService"
KEEPS = f"{TESTS}::test_get_returns_a_user_and_keeps_it"
DATABASE = {"sessions", "database_url", "settings", "server", "app", "client"}


@pytest.mark.holds(
    "This patch gives a method of the service's repository another name, and its caller knows the old one:",
    "The service's test of that caller fails with Mock object has no attribute 'get', and starts no database.",
)
@pytest.mark.service(KEEPS)
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/renamed.patch", "Mock object has no attribute 'get'")]
)
def test_a_renamed_method_turns_the_service_red(service: Holds, patch: str | None) -> None:
    told = (SNIPPETS / "service/tests/test_services.py").read_text()
    assert not DATABASE & set(re.findall(r"\w+", told))
    service()


@pytest.mark.holds(
    "The service stands in for its repositories",
    "Each part of a use case is replaced by a mock with its signatures:",
)
@pytest.mark.service(KEEPS, f"{TESTS}::test_get_raises_for_an_unknown_user")
@pytest.mark.proves("service/tests/test_services.py")
def test_the_service_stands_in_for_its_repositories(service: Holds) -> None:
    service()
    told = (SNIPPETS / "service/tests/test_services.py").read_text()
    assert told.count("create_autospec(") == told.count(", instance=True)") == 5
    assert "AsyncMock" not in told


PATCHED = "from unittest.mock import patch\n\nwith patch('accounts.mail.send'):\n    pass\n"


@pytest.mark.holds(
    "Ruff reports the import in loose.py and mock.AsyncMock() with TID251, and that in specced.py passes.",
    "Ruff doesn't see mocker.AsyncMock() of pytest-mock, so search for it.",
    "patch makes such a mock without an import, so give it autospec=True.",
    "No rule of Ruff sees a double that gives what its part forgot.",
)
@pytest.mark.proves(f"{FOLDER}/banned.toml")
def test_ruff_refuses_a_loose_mock(tmp_path: Path) -> None:
    pages = SNIPPETS / FOLDER
    (tmp_path / "pyproject.toml").write_text((pages / "banned.toml").read_text())
    for name in ("loose.py", "specced.py"):
        (tmp_path / name).write_text((pages / name).read_text())
    (tmp_path / "patched.py").write_text(PATCHED)
    (tmp_path / "mocked.py").write_text("def test_it(mocker):\n    mocker.AsyncMock()\n")
    (tmp_path / "named.py").write_text("from unittest import mock\n\nmock.AsyncMock()\n")
    command = ["ruff", "check", "--no-cache", "--ignore=RUF100", "--output-format=concise"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    lines = sorted(line for line in told.splitlines() if ".py:" in line)
    found = [re.findall(r"^(\w+\.py:\d+):\d+: (\w+) ", line) for line in lines]
    assert found == [[("loose.py:4", "TID251")], [("named.py:3", "TID251")]]
    with patch.object(asyncio, "iscoroutine") as mock:
        mock()
    with patch.object(asyncio, "iscoroutine", autospec=True) as mock, pytest.raises(TypeError):
        mock()
    assert rules.found_only_in(pages / "unflushed.py", pages / "alike.py") == set()
