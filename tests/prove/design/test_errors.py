"""What the page on errors claims."""

import asyncio
import functools
import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal

import aiohttp
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, field_validator
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from tests.engine.pages import ROOT, SNIPPETS
from tests.parts.evidence import failing
from tests.parts.gates import TIERS
from tests.parts.server import asked
from tests.prove.twins import dont

FOLDER = "design/errors"
ERRORS = "service/src/accounts/api/errors.py"
PROBLEM = "application/problem+json"
SECRET = "postgresql://orders:hunter2@db"  # noqa: S105  it opens nothing
Holds = Callable[[], None]
Answer = tuple[int, str, Any]


INSTRUCTIONS = [
    "Answer each error in one place",
    "Raise a domain error where you find it, and turn it into a status in one place.",
    "If you don't know which exception a call raises, catch nothing: a 500 with a traceback in the log shows it to you.",
    "Install fastapi and uvicorn.",
    "Don't swallow the error",
    "Don't catch more than you name",
    "Don't name a response that nothing imports",
    "Raise the domain error outside of the group, as Limit how many tasks run at once shows.",
    "Let middleware answer by itself, and find out what a stream can't do before its first line.",
    "Give every error one shape",
    "Give each of your own errors a type, because two of them can share a status.",
    "Write one class for each thing that can go wrong in the business, beside the code that finds it.",
    "Move each status out of the endpoints into one table.",
    "Remove except Exception from the endpoints, one at a time.",
    "Send an id with each answer, and write it into each line of the log, so that a client can name its request.",
    "Let the client send a change again only with its key: see Let a client send a request again safely.",
    "Raise an error that nobody expects in a test, and compare what the client and the log are told.",
    "Turn on BLE001 of Ruff.",
    "Look in each review for an except Exception that raises again.",
]


JUDGEMENTS = [
    "We call an exception that names what went wrong in the business a domain error: no such order, or an address that is taken.",
    "We prefer the domain error, because a worker that raises it has no HTTP.",
    "We prefer FastAPI's shape while all clients are ours, and problem details where others write the clients.",
]


class Away(dict[int, str]):
    """A store of orders that can't be reached."""

    def __contains__(self, key: object) -> bool:
        raise ConnectionError(SECRET)

    def __getitem__(self, key: int) -> str:
        raise ConnectionError(SECRET)


def ask(app: FastAPI, *requests: str) -> list[Answer]:
    """Return the status, the type and the body of the answers to requests such as `GET /`."""
    return [
        (status, kind, json.loads(text) if kind.endswith("json") else text)
        for status, kind, text in asked(app, *requests)
    ]


def statuses(app: FastAPI, *requests: str) -> list[int]:
    """Return the statuses of the answers alone."""
    return [status for status, _, _ in ask(app, *requests)]


@pytest.mark.holds(
    "A client asks for an order that doesn't exist.",
    "One endpoint answers 404, another 500, and a third 200 with null.",
    "Order 7 is there, and each other number gets 404.",
    "Look at answer: it is the only place that knows the status.",
    "This endpoint returns what it has.",
    "The client gets 200 with null, and no error is in the log.",
    "The log of the third names no error.",
    "Ruff refuses it with BLE001 and S110.",
    "The first unknown order meets a NameError in the handler.",
    "mypy refuses the line with name-defined, and Ruff with F821.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/answered.py",
        dont(
            f"{FOLDER}/swallowed.py",
            "it answered 200 with null",
            pytest.mark.finding("ruff", "SIM105", line=10),
            pytest.mark.finding("ruff", "BLE001", line=12),
            pytest.mark.finding("ruff", "S110", line=12),
        ),
        dont(
            f"{FOLDER}/unimported.py",
            "it answered 500, and the log names NameError",
            pytest.mark.finding("mypy", "name-defined", line=13),
            pytest.mark.finding("mypy", "no-any-return", line=13),
            pytest.mark.finding("ruff", "F821", line=13),
        ),
    ],
    indirect=True,
)
def test_an_unknown_order_is_not_found(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    ((known, _, order), (status, _, said)) = ask(snippet.app, "GET /orders/7", "GET /orders/8")
    assert (known, order) == (200, "paid")
    logged = [type(r.exc_info[1]).__name__ if r.exc_info else r.message for r in caplog.records]
    record_property("figure", str(status))
    told = f", and the log names {logged[0]}" if logged else f" with {json.dumps(said)}"
    assert status == 404, f"it answered {status}{told}"
    assert (said, logged) == ({"detail": "Order not found"}, [])
    assert snippet.__name__.endswith("answered")


@pytest.mark.holds(
    "The app starts, and order 7 is answered.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unimported.py"], indirect=True)
def test_a_known_order_hides_what_is_not_imported(snippet: ModuleType) -> None:
    assert ask(snippet.app, "GET /orders/7") == [(200, "application/json", "paid")]
    assert not hasattr(snippet, "JSONResponse")


@pytest.mark.holds(
    'An error that has no handler gets 500 with the text "Internal Server Error", and uvicorn writes its traceback into the log.',
    "The text of an exception is written for the log: it can hold a statement of SQL, an address or a password.",
    "Don't tell the client what broke",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/answered.py",
        dont(f"{FOLDER}/telling.py", "the client is told postgresql://orders:hunter2@db"),
    ],
    indirect=True,
)
def test_the_client_learns_nothing_of_what_broke(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    vars(snippet)["ORDERS"] = Away()
    ((status, _, said),) = ask(snippet.app, "GET /orders/7")
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert logged.exc_info is not None
    assert (status, logged.name, str(logged.exc_info[1])) == (500, "uvicorn.error", SECRET)
    assert SECRET not in str(said), f"the client is told {said['detail']}"
    assert said == "Internal Server Error"


@pytest.mark.holds(
    "With FastAPI(debug=True) the client gets the traceback, so leave that out of production.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/answered.py"], indirect=True)
def test_a_debugged_app_tells_the_client(snippet: ModuleType) -> None:
    vars(snippet)["ORDERS"] = Away()
    (told,) = ask(snippet.app, "GET /orders/7")
    assert SECRET not in str(told)
    app = FastAPI(debug=True)
    app.get("/orders/{number}")(snippet.read_order)
    ((status, _, said),) = ask(app, "GET /orders/7")
    assert status == 500
    assert "Traceback" in said and SECRET in said


@pytest.mark.holds(
    "This endpoint answers the unknown order as it should, and every other error too.",
    "While the store of the orders is away, each client is told that its order doesn't exist.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/answered.py", dont(f"{FOLDER}/broad.py", "it says that there is no such order")],
    indirect=True,
)
def test_a_store_that_is_away_is_no_unknown_order(snippet: ModuleType) -> None:
    assert statuses(snippet.app, "GET /orders/7", "GET /orders/8") == [200, 404]
    vars(snippet)["ORDERS"] = Away()
    assert statuses(snippet.app, "GET /orders/7") == [500], "it says that there is no such order"


@pytest.mark.holds(
    "A test with an unknown order is green, and BLE001 of Ruff finds nothing, because the block raises again.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/broad.py"], indirect=True)
def test_no_tool_sees_what_is_too_broad(snippet: ModuleType) -> None:
    assert statuses(snippet.app, "GET /orders/8") == [404]
    assert found()["broad"] == set()
    assert found()["kept"] >= {"BLE001"}


@functools.cache
def found() -> dict[str, set[str]]:
    """Return what Ruff and mypy find in some modules, beside names that are not used."""
    sources = {name: (SNIPPETS / FOLDER / f"{name}.py").read_text() for name in ("broad", "twice")}
    raises = '        raise HTTPException(404, "Order not found") from error\n'
    assert raises in sources["broad"]
    sources["kept"] = sources["broad"].replace(raises, '        return "unknown"\n')
    with TemporaryDirectory() as folder:
        modules = [Path(folder, f"{name}.py") for name in sources]
        for module in modules:
            module.write_text(sources[module.stem])
        return {module.stem: told for module, told in zip(modules, linted(modules), strict=True)}


def linted(modules: list[Path]) -> Iterator[set[str]]:
    """Give what Ruff and mypy find in each module."""
    lint: list[str | Path] = [
        "ruff",
        "check",
        "--config",
        ROOT / "pyproject.toml",
        "--output-format=concise",
    ]
    told = subprocess.run([*lint, *modules], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode in (0, 1), told.stderr
    typed = subprocess.run(["mypy", *modules], cwd=ROOT, capture_output=True, text=True)
    assert typed.returncode in (0, 1), typed.stderr
    both = told.stdout.splitlines() + typed.stdout.splitlines()
    for module in modules:
        lines = [line for line in both if line.startswith(f"{module}:")]
        yield {line.split()[1] for line in lines} - {"F841"} | {
            line.rpartition("[")[2] for line in lines if line.endswith("]")
        }


@pytest.mark.holds(
    "An HTTPException in the endpoint gives the same answer.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/answered.py"], indirect=True)
def test_an_exception_of_the_framework_gives_the_same_answer(snippet: ModuleType) -> None:
    async def bare(number: int) -> str:
        raise HTTPException(404, "Order not found")

    snippet.app.get("/bare/{number}")(bare)

    one, other = ask(snippet.app, "GET /orders/8", "GET /bare/8")
    assert one == other


@pytest.mark.holds(
    "The first of two equal routes wins",
    "FastAPI takes a second endpoint for the same requests:",
    "read_order_with_tax never runs, and nothing warns: not FastAPI, not mypy and not Ruff.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/twice.py"], indirect=True)
def test_a_second_route_for_the_same_requests_never_runs(
    snippet: ModuleType, recwarn: pytest.WarningsRecorder
) -> None:
    assert asyncio.run(snippet.read_order_with_tax(7)) == "paid, with tax"
    assert ask(snippet.app, "GET /orders/7") == [(200, "application/json", "paid")]
    snippet.app.openapi()
    assert not recwarn.list
    assert found()["twice"] == set()


@pytest.mark.holds(
    "The service has a gate of its own for it, wiring: see Name the tier of a change.",
)
@pytest.mark.service("tests/test_gates.py::test_the_gate_of_wiring_names_what_is_there_in_vain")
@pytest.mark.proves(f"{FOLDER}/twice.py")
def test_the_service_refuses_a_second_route(service: Holds) -> None:
    service()
    assert TIERS["gates"]["wiring"] == "python -m dev.wiring"


OTHERS = "GET /nowhere", "DELETE /orders/7", "GET /orders/x", "GET /orders/7"


@pytest.mark.holds(
    "This app answers these, and each exception of an endpoint that has no handler, as problem details, the shape of RFC 9457:",
    "invalid tells which fields are wrong, and leaves out input, in which error.errors() repeats a password.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/problems.py"], indirect=True)
def test_every_error_is_a_problem(snippet: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ConnectionError(SECRET)

    async def refuse(status: int) -> None:
        raise HTTPException(status, "told", {"ETag": "7"})

    snippet.app.get("/broken")(broken)
    snippet.app.get("/refused/{status}")(refuse)
    told = (500, PROBLEM, {"title": "Internal Server Error", "status": 500})
    assert ask(snippet.app, "GET /broken") == [told]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [SECRET]
    *others, (status, kind, said), unknown = ask(snippet.app, *OTHERS)
    assert others == [
        problem(404, "Not Found", detail="Not Found"),
        problem(405, "Method Not Allowed", detail="Method Not Allowed"),
    ]
    assert unknown == problem(404, "Not Found", detail="Order not found")
    with pytest.raises(RequestValidationError) as raised:
        raise RequestValidationError([{"loc": ("path", "a"), "msg": "wrong", "input": SECRET}])
    assert SECRET in str(raised.value.errors())
    ((fault,),) = [said.pop("errors")]
    assert (status, kind, said) == problem(422, HTTPStatus(422).phrase)
    assert fault.keys() == {"loc", "msg"} and fault["loc"] == ["path", "number"]
    (_, shown, said), *empty = ask(
        snippet.app, *[f"GET /refused/{number}" for number in (499, 204, 304)]
    )
    assert (shown, said) == problem(499, "Error", detail="told")[1:]
    assert [(status, said) for status, _, said in empty] == [(204, ""), (304, "")]


class Card(BaseModel):
    kind: Literal["card"]


class Bill(BaseModel):
    kind: Literal["bill"]
    secret: str = ""

    @field_validator("secret")
    @classmethod
    def refuse(cls, secret: str) -> str:
        """Refuse each secret, and tell it."""
        raise ValueError(f"{secret} is too short")


@pytest.mark.holds(
    "loc repeats a name of a field that the client made up, and msg a tag that a union doesn't know.",
    "Put no value into the message of a ValueError, because msg repeats that too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/problems.py"], indirect=True)
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"hunter2": {}}, "loc"),
        ({"way": {"kind": "hunter2"}}, "msg"),
        ({"way": {"kind": "bill", "secret": "hunter2"}}, "msg"),
        ({"way": {"kind": "card"}, "price": "hunter2"}, None),
    ],
)
def test_where_a_problem_repeats_what_was_sent(
    snippet: ModuleType, sent: dict[str, object], where: str | None
) -> None:
    class Payment(BaseModel, extra="forbid"):
        way: Card | Bill = Field(Card(kind="card"), discriminator="kind")
        price: int = 0

    async def pay(payment: Any) -> None:
        """Take a payment."""

    with pytest.raises(ValueError, match="hunter2"):
        Bill.refuse("hunter2")
    pay.__annotations__["payment"] = Payment
    snippet.app.post("/payments")(pay)
    told = TestClient(snippet.app).post("/payments", json=sent)
    assert told.status_code == 422
    (fault,) = told.json()["errors"]
    assert [key for key in fault if "hunter2" in str(fault[key])] == ([where] if where else [])


def problem(status: int, title: str, **more: str) -> Answer:
    """Return an answer in the shape of RFC 9457."""
    return status, PROBLEM, {"title": title, "status": status, **more}


@pytest.mark.holds(
    "Some errors meet no handler",
    "answer sees a domain error that an endpoint or its dependencies raise before the answer begins.",
    "An error in another place doesn't reach it:",
    "In a task of an asyncio.TaskGroup, it arrives as an ExceptionGroup, and the client gets 500.",
    "Middleware stands above the handlers, so what it raises becomes a 500.",
    "In a stream that has begun, the client has the status 200, and the answer breaks off.",
    "In a background task, or after the yield of a dependency in the default scope, the client has its 200 already.",
    "Under a BaseHTTPMiddleware, a stream that fails ends as if it were whole.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/answered.py"], indirect=True)
def test_where_no_handler_is_asked(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture, record_property: Any
) -> None:
    app, fail = snippet.app, snippet.read_order

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(8))

    async def broken() -> AsyncIterator[str]:
        yield "begun"
        await fail(8)

    async def stream() -> Response:
        return StreamingResponse(broken())

    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail, 8)

    async def before() -> None:
        await fail(8)

    async def fine() -> None:
        """Do nothing."""

    async def above(request: Request, call: RequestResponseEndpoint) -> Response:
        if request.url.path == "/above":
            await fail(8)
        return await call(request)

    app.get("/group")(group)
    app.get("/stream", response_model=None)(stream)
    app.get("/later")(later)
    app.get("/before", dependencies=[Depends(before)])(fine)
    app.get("/after", dependencies=[Depends(broken)])(fine)
    with pytest.raises(aiohttp.ClientPayloadError):
        ask(app, "GET /stream")
    app.middleware_stack = None  # it has started
    app.add_middleware(BaseHTTPMiddleware, dispatch=above)
    told = "group", "above", "later", "after", "before"
    assert statuses(app, *[f"GET /{name}" for name in told]) == [500, 500, 200, 200, 404]
    ((status, _, text),) = ask(app, "GET /stream")
    assert (status, text) == (200, "begun"), "as if it were whole"
    for status in (500, 200):
        record_property("figure", str(status))
    names = {type(record.exc_info[1]).__name__ for record in caplog.records if record.exc_info}
    assert names >= {"ExceptionGroup", "OrderNotFoundError"}


@pytest.mark.holds(
    "Handlers for your own errors leave those of the framework as they are: the unknown path, the wrong method, the body that isn't valid.",
    "FastAPI's own shape has one field, detail: a list where a request isn't valid, or what the HTTPException was given.",
    "Install fastapi and starlette, and register the exception of Starlette: a handler for fastapi.HTTPException misses the unknown path and the wrong method.",
)
@pytest.mark.proves(f"{FOLDER}/problems.py")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/problems.py"], indirect=True)
def test_what_a_handler_of_ones_own_leaves_alone(snippet: ModuleType) -> None:
    app = FastAPI()

    @app.get("/orders/{number}")
    async def read_order(number: int) -> str:
        raise HTTPException(404)

    @app.get("/told")
    async def told() -> None:
        raise HTTPException(409, {"stock": 0})

    assert ask(app, "GET /told") == [(409, "application/json", {"detail": {"stock": 0}})]
    app.exception_handler(HTTPException)(snippet.refused)
    app.middleware_stack = None
    bodies = [(kind, body) for _, kind, body in ask(app, *OTHERS)]
    assert bodies[:2] == [
        ("application/json", {"detail": "Not Found"}),
        ("application/json", {"detail": "Method Not Allowed"}),
    ]
    assert bodies[2][1].keys() == {"detail"}
    assert isinstance(bodies[2][1]["detail"], list)
    assert bodies[3] == problem(404, "Not Found", detail="Not Found")[1:]


@pytest.mark.holds(
    "Starlette looks for the handler of an exception's class, and then for that of each class above it.",
    "For an HTTPException, it looks for a handler of the status first.",
    "A handler for Exception or for the status 500 is another thing: Starlette sends its answer and raises the exception again, so the server logs it.",
)
def test_which_handler_an_exception_meets(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    async def name(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(type(error).__name__, 503)

    app.add_exception_handler(LookupError, name)

    @app.get("/key")
    async def key() -> None:
        raise KeyError(7)

    @app.get("/other")
    async def other() -> None:
        raise RuntimeError

    def logged() -> list[str]:
        return [type(record.exc_info[1]).__name__ for record in caplog.records if record.exc_info]

    assert ask(app, "GET /key") == [(503, "application/json", "KeyError")]
    assert logged() == []
    for kind, number in (Exception, 1), (500, 2):
        app.exception_handlers.pop(Exception, None)
        app.add_exception_handler(kind, name)
        app.middleware_stack = None
        assert ask(app, "GET /other") == [(503, "application/json", "RuntimeError")]
        assert logged() == ["RuntimeError"] * number

    async def status(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse("the status", 503)

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410)

    for handled, told in (HTTPException, "HTTPException"), (410, "the status"):
        app.add_exception_handler(handled, status if handled == 410 else name)
        app.middleware_stack = None
        assert ask(app, "GET /gone") == [(503, "application/json", told)]


@pytest.mark.holds(
    "The table of the service",
    "The service has a table, and one handler for all errors in it:",
    "Don't leave an error out of the table",
    "Without its line in the table, an unknown user is answered as if the service had a bug:",
)
@pytest.mark.service("tests/test_handlers.py::test_an_unknown_user_is_not_found[1]")
@pytest.mark.parametrize(
    "patch", [None, failing("design/errors/unanswered.patch", r"assert \(500, .* == \(404, ")]
)
def test_an_unknown_user_gets_an_answer(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds(
    "An error whose answer needs more than a status and a text has a handler of its own in the same file.",
    "TooOftenError is answered 429, with the seconds to wait in Retry-After.",
)
@pytest.mark.service("tests/test_allowance.py::test_who_asks_too_often_is_told_when_to_ask_again")
@pytest.mark.proves(ERRORS)
def test_an_answer_that_says_more_has_a_handler(service: Holds, record_property: Any) -> None:
    service()
    told = (SNIPPETS / ERRORS).read_text()
    table = told.partition("ANSWERS: ")[2].partition("\n}\n")[0]
    assert "TooOftenError" not in table
    assert "add_exception_handler(TooOftenError, answer_too_often)" in told
    body = told.partition("def answer_too_often")[2].partition("\n\n\n")[0]
    record_property("figure", re.findall(r"\b4\d\d\b", body)[-1])


@pytest.mark.holds(
    "A part that is away isn't a bug",
    "While the database is away the service answers 503, and says with Retry-After when to try again:",
    "A wrong query comes to the same handler, is raised again and becomes a 500.",
)
@pytest.mark.service(
    "tests/test_outage.py::TestAway::test_requests_are_answered_503",
    "tests/test_outage.py::test_a_wrong_query_is_a_bug",
)
@pytest.mark.proves(ERRORS)
def test_a_part_that_is_away_is_told_from_a_bug(service: Holds, record_property: Any) -> None:
    service()
    for status in (503, 500):
        record_property("figure", str(status))


@pytest.mark.holds("The service has this test:")
@pytest.mark.service(
    "tests/test_middleware.py::test_a_surprise_is_answered_logged_and_counted",
)
@pytest.mark.proves("service/tests/test_middleware.py")
def test_the_service_compares_what_is_told(service: Holds) -> None:
    service()
