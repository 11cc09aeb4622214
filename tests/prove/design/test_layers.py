"""What the page on layers claims."""

import ast
import asyncio
import contextlib
import functools
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest

from tests.engine.pages import RefusedError
from tests.parts.gates import TIERS, Copy, Gate, GateError
from tests.parts.outputs import hold_lines
from tests.parts.server import status_of
from tests.parts.service import SERVICE

FOLDER = "design/layers"
LINT = Gate("Contracts: 3 kept, 0 broken.", r"^- +\S+ -> \S+")
UPWARD = [
    "accounts.api.schemas -> sqlalchemy",
    "accounts.models.base -> accounts.repositories.user_cache",
    "accounts.repositories.user_cache -> accounts.services.letters",
    "accounts.services.letters -> accounts.api.schemas",
]
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Put each line of code into its layer",
    "Give each kind of code its own layer.",
    "Write HTTP in the handler, a rule of the business in the service, and a query in the repository.",
    "If you don't know where a line goes, ask who else needs it: what a second caller needs stands below both.",
    "Install fastapi and uvicorn.",
    "Take the rule out of the endpoint into a function that knows no request, and raise an error of your own there.",
    "Take the query out of that function into a class that gets the session.",
    "Call the function from the endpoint, the worker and the command line.",
    "Write the layers into a contract of import-linter, as Put each file in its layer shows.",
    "Run lint-imports as a gate of each change.",
]


@pytest.mark.holds(
    "An order without items is refused over HTTP, and the nightly import stores it.",
    "Look at place_order: it holds the rule, and both callers go through it.",
    "One handler turns the error into 409, and the import ends with it.",
    "The import keeps the orders before the bad line: in a database, give it one transaction, or tell the lines that are left.",
    "Here the rule stands where the request arrives.",
    "The test of the endpoint is green.",
    "The rule stands in the endpoint, and the import never comes by there.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/layered.py",
        pytest.param(
            f"{FOLDER}/tangled.py",
            marks=pytest.mark.xfail(  # the import goes past the endpoint
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="the import stored an order of 0"),
            ),
        ),
    ],
    indirect=True,
)
def test_a_rule_holds_for_every_caller(snippet: ModuleType, record_property: Any) -> None:
    assert (status_of(snippet.app, "POST /orders/2"), snippet.ORDERS) == (201, [2])
    refused = status_of(snippet.app, "POST /orders/0")
    assert refused == 409
    record_property("figure", str(refused))
    snippet.ORDERS.clear()
    with contextlib.suppress(getattr(snippet, "NoItemsError", LookupError)):
        snippet.import_orders([3, 0, 4])
    stored = min(snippet.ORDERS)
    assert stored, f"the import stored an order of {stored} items"
    assert snippet.ORDERS == [3]
    with pytest.raises(snippet.NoItemsError):
        snippet.import_orders([0])


@functools.cache
def found(*patches: str) -> list[str]:
    """Return what `lint-imports` finds in a copy of the service."""
    try:
        with TemporaryDirectory() as folder:
            Copy(Path(folder, "copy"), *patches).run("layers", LINT, "")
    except GateError as error:
        return [line.replace("-   ", "- ") for line in str(error).splitlines()]
    return []


@pytest.mark.holds(
    "Don't import upward",
    "This patch adds one import to each layer of the service, from the handlers' models of requests down to the tables:",
    "lint-imports refuses each of them:",
)
@pytest.mark.proves(f"{FOLDER}/upward.out")
def test_an_import_upward_is_refused(pytestconfig: pytest.Config) -> None:
    told = found(f"{FOLDER}/upward.patch")
    told = sorted(line for line in told if " -> " in line)  # it tells them in any order
    hold_lines(f"{FOLDER}/upward.out", told, pytestconfig.option.update_examples)
    assert [line.removeprefix("- ") for line in told] == UPWARD
    assert TIERS["gates"]["layers"].startswith("lint-imports")


@pytest.mark.parametrize(
    "patch",
    [
        None,
        pytest.param(
            f"{FOLDER}/upward.patch",
            marks=pytest.mark.xfail(  # each of its imports leads upward
                strict=True, raises=pytest.RaisesExc(GateError, match=UPWARD[3])
            ),
        ),
    ],
)
def test_imports_lead_down(patch: str | None) -> None:
    if told := found(*[patch] if patch else []):
        raise GateError("\n".join(told))


def recorded() -> list[str]:
    """Return the steps that the service's test compares with what it records."""
    tree = ast.parse((SERVICE / "tests/test_layers.py").read_text())
    told: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            told[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    lines = []
    for step in told["STEPS"]:
        _, layer, *where = step.split(".")
        name = ".".join(where[1:] if layer != "database" else where)
        lines.append("  " * told["LAYERS"].index(layer) + f"{layer}: {name}")
    return lines


@pytest.mark.holds(
    "A request goes down, one layer after another",
    "The service's test shows, of the functions that begin when a client asks for a user, one or two of each layer, and what the database is asked:",
    "The middleware is what holds for each request, such as its line in the log.",
)
@pytest.mark.proves(f"{FOLDER}/request.out")
def test_the_request_is_the_one_that_was_recorded(pytestconfig: pytest.Config) -> None:
    lines = recorded()
    hold_lines(f"{FOLDER}/request.out", lines, pytestconfig.option.update_examples)
    assert [line.split(":")[0].strip() for line in lines] == sorted(
        (line.split(":")[0].strip() for line in lines), key=lines_of(lines).index
    )
    assert "middleware: RequestLog.__call__" in lines


@pytest.mark.service("tests/test_layers.py::test_a_request_goes_down_through_the_layers")
def test_the_service_records_these_steps(service: Holds) -> None:
    service()
    assert "    assert steps == STEPS\n" in (SERVICE / "tests/test_layers.py").read_text()


def lines_of(lines: list[str]) -> list[str]:
    """Return the layers of the lines, each once, in their order."""
    return list(dict.fromkeys(line.split(":")[0].strip() for line in lines))


@pytest.mark.holds(
    "The check of the token is no middleware here: a handler asks for it, because not every path needs a user.",
)
@pytest.mark.proves(f"{FOLDER}/request.out")
def test_the_token_is_checked_below_the_middleware() -> None:
    middleware = (SERVICE / "src/accounts/middleware").glob("*.py")
    assert not [file.name for file in middleware if "token" in file.read_text()]
    handlers = (SERVICE / "src/accounts/api/handlers.py").read_text()
    routes = re.findall(r"@router\.\w+\(.*?\)\nasync def", handlers, re.DOTALL)
    assert {"dependencies=" in route for route in routes} == {True, False}
    assert recorded()[2] == "  api: get_session"


@pytest.mark.holds(
    "Code that imports only from below can be called by everything above it, and tested without what stands above it.",
    "It sees imports, and no rule that stands in the wrong function, so ask for the second caller in a review.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/layered.py"], indirect=True)
def test_a_rule_is_tested_without_http(snippet: ModuleType, tmp_path: Path) -> None:
    snippet.place_order(1)
    assert snippet.ORDERS == [1]
    with pytest.raises(snippet.NoItemsError):
        snippet.place_order(0)


def test_a_recorded_request_that_is_edited_by_hand_is_refused() -> None:
    lines = recorded()
    for edited in (lines[1:], [*lines, "database: DELETE users"]):
        with pytest.raises(RefusedError, match=r"layers/request.out:\d+: .*Run `make update`"):
            hold_lines(f"{FOLDER}/request.out", edited, updating=False)


@pytest.mark.holds(
    "A rule about other rows needs the database",
    "Two requests at once both ask whether an address is taken, and both find that it isn't.",
    "The service stores the user without a question, and a constraint of the table refuses the second.",
    "Its repository turns what the database raises into a domain error, so that the layers above know no SQL:",
)
@pytest.mark.service("tests/test_handlers.py::test_of_two_users_at_once_one_gets_the_address")
@pytest.mark.proves("service/src/accounts/repositories/user_repository.py")
def test_a_constraint_decides(service: Holds) -> None:
    service()
    asked = list[bool]()

    async def two() -> None:
        users, both = set[str](), asyncio.Barrier(2)

        async def create(address: str) -> None:
            asked.append(address in users)
            await both.wait()  # stands for the time that a query takes
            users.add(address)

        await asyncio.gather(create("ann@example.org"), create("ann@example.org"))

    asyncio.run(two())
    assert asked == [False, False]
    told = (SERVICE / "src/accounts/repositories/user_repository.py").read_text()
    added = told.partition("async def add(")[2].partition("async def ")[0]
    assert "select(" not in added
    assert "raise EmailTakenError from error" in told
    for folder in ("services", "api"):
        for file in (SERVICE / "src/accounts" / folder).glob("*.py"):
            assert "IntegrityError" not in file.read_text(), file
