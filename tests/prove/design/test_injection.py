"""What the page on injection claims."""

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException

from tests.engine.pages import ROOT, SNIPPETS
from tests.parts.server import asked

FOLDER = "design/injection"
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Let each endpoint ask for what it uses",
    "Take everything that an endpoint uses as a parameter, and give it back in a finally block.",
    "If you don't know whether two requests may share a thing, make it for each request, but share pools and HTTP clients.",
    "Install fastapi and uvicorn.",
    "Don't count on the line after yield",
    "Do: replace a dependency in a test",
    "Give dependency_overrides the function that the endpoint names, and what to call in its place.",
    "Install fastapi and httpx2, and run pytest with the file.",
    "Don't patch the name",
    "Do: finish before the answer is sent",
    "Give the dependency the scope function when its end can fail, as a commit can.",
    "Don't let the answer go first",
    "Do: keep what a stream uses until its end",
    "Don't let a stream outlive its dependency",
    "Open what the whole process shares, such as a pool or a client, in the lifespan, and keep it in the state of the app.",
    "Write one function with yield for each thing that belongs to one request, and name it in an Annotated type.",
    "Replace each client that an endpoint makes with a parameter.",
    "Commit in the endpoint or below it, and let the dependency only close: one that commits needs the scope function.",
    "Compare when the session is closed with when the answer begins.",
]


class Refusing(dict[str, list[int]]):
    """A store that can't be reached."""

    def __getitem__(self, key: str) -> list[int]:
        raise ConnectionError


def ask(app: FastAPI, *requests: str) -> list[tuple[int, str]]:
    """Return the status and the text of the answers to requests such as `GET /`."""
    return [(status, text) for status, _, text in asked(app, *requests)]


def ruff(file: Path) -> str:
    """Return what Ruff's rules for FastAPI find in a file."""
    rules = ["--isolated", "--select=FAST", "--target-version=py311", "--quiet"]
    lint = ["ruff", "check", *rules, "--output-format=concise", str(file)]
    return subprocess.run(lint, cwd=ROOT, capture_output=True, text=True).stdout


def twin(name: str, kind: type[BaseException], match: str) -> Any:
    """Return a "don't", which must fail as `match` says."""
    raises = pytest.RaisesExc(kind, match=match)
    fails = pytest.mark.xfail(strict=True, raises=raises)  # each breaks the promise in its way
    return pytest.param(f"{FOLDER}/{name}.py", marks=fails)


@pytest.mark.holds(
    "Or a request is refused, its connection is never given back, and some requests later none is left.",
    "FastAPI runs the function up to yield, calls the endpoint, and then runs the rest.",
    "After a request that was refused, the pool holds both connections again.",
    "FastAPI raises the endpoint's exception at yield, so the last line never runs: after two refused requests the pool is empty.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/given.py",
        twin("kept", AssertionError, "the pool holds 0 connections after two refused requests"),
    ],
    indirect=True,
)
def test_a_refused_request_gives_back_what_it_took(snippet: ModuleType) -> None:
    read = (200, '"order 7, read over the second connection"')
    assert ask(snippet.app, "GET /orders/7", "GET /orders/7") == [read, read]
    assert snippet.POOL == ["first connection", "second connection"]
    refused = [status for status, _ in ask(snippet.app, "GET /orders/1", "GET /orders/2")]
    assert refused == [404, 404]
    told = f"the pool holds {len(snippet.POOL)} connections after two refused requests"
    assert sorted(snippet.POOL) == ["first connection", "second connection"], told


@pytest.mark.holds(
    "An except block around the yield must raise again: without that, a 404 becomes a 500.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/kept.py"], indirect=True)
def test_who_catches_must_raise_again(snippet: ModuleType, record_property: Any) -> None:
    async def caught() -> AsyncIterator[None]:
        with contextlib.suppress(Exception):
            yield

    seen = list[Exception]()

    async def raised() -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            seen.append(error)
            raise

    async def refuse() -> None:
        await snippet.read_order(1, "connection")

    for path, dependency in ("/caught", caught), ("/raised", raised):
        snippet.app.get(path, dependencies=[Depends(dependency)])(refuse)
    became, stayed = (status for status, _ in ask(snippet.app, "GET /caught", "GET /raised"))
    assert (stayed, became, len(seen)) == (404, 500, 1)
    for status in (stayed, became):
        record_property("figure", str(status))


@pytest.mark.holds(
    "A background task runs later too, and needs the same.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/stream.py", f"{FOLDER}/outlived.py"], indirect=True)
def test_a_background_task_runs_later(snippet: ModuleType) -> None:
    seen = list[bool]()

    async def note(connection: str) -> None:
        seen.append(connection in snippet.OPEN)

    async def export(connection: str, tasks: BackgroundTasks) -> None:
        tasks.add_task(note, connection)

    export.__annotations__["connection"] = snippet.Connection
    snippet.app.get("/later")(export)
    assert ask(snippet.app, "GET /later") == [(200, "null")]
    assert seen == [snippet.__name__.endswith("stream")]


@pytest.mark.holds(
    "A good request gives its connection back, so its test is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/kept.py"], indirect=True)
def test_a_good_request_hides_what_is_kept(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    assert [status for status, _ in ask(snippet.app, *["GET /orders/7"] * 3)] == [200] * 3
    assert len(snippet.POOL) == 2
    asked = ask(snippet.app, *["GET /orders/1"] * 2, "GET /orders/7")
    assert [status for status, _ in asked] == [404, 404, 500]
    assert "pop from empty list" in caplog.text


@pytest.mark.holds(
    "Look at get_connection: it lends a connection of a pool to one request.",
    "Two functions of one request that ask for get_connection get the same connection, if both ask with the same scope.",
    "The next request calls get_connection again.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/given.py"], indirect=True)
def test_one_request_shares_a_dependency_and_two_do_not(snippet: ModuleType) -> None:
    connection, calls = Annotated[str, Depends(snippet.get_connection)], list[str]()

    async def get_name(connection: str) -> str:
        calls.append(connection)
        return connection

    async def pair(name: str, connection: str) -> list[str]:
        return [name, connection, *snippet.POOL]

    get_name.__annotations__["connection"] = connection
    pair.__annotations__.update(name=Annotated[str, Depends(get_name)], connection=connection)
    snippet.app.get("/pair")(pair)
    second, first = "second connection", "first connection"
    (_, told), _ = ask(snippet.app, "GET /pair", "GET /pair")
    assert told == f'["{second}","{second}","{first}"]'
    assert calls == [second, second]

    async def scoped(request: str, function: str) -> list[str]:
        return [request, function]

    function = Annotated[str, Depends(snippet.get_connection, scope="function")]
    scoped.__annotations__.update(request=connection, function=function)
    snippet.app.get("/scoped")(scoped)
    ((_, told),) = ask(snippet.app, "GET /scoped")
    assert sorted(json.loads(told)) == [first, second]


@pytest.mark.holds(
    "A dependency is looked up by the function itself, and FastAPI calls it once in a request for each scope, whoever asks for it.",
    "The endpoint makes its own client of the bank, so its test calls the bank.",
    "The endpoint took the function when Python read the file, so the new name replaces nothing, and the test calls the bank.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/overridden.py", twin("patched", ConnectionError, r"bank\.example\.org")],
    indirect=True,
)
def test_a_test_replaces_a_dependency(snippet: ModuleType) -> None:
    snippet.test_an_invoice_is_converted()
    assert ask(snippet.app, "GET /invoices/10")[0][0] == 500  # the override is gone


@pytest.mark.parametrize("snippet", [f"{FOLDER}/patched.py"], indirect=True)
def test_an_override_replaces_what_the_patch_does_not(snippet: ModuleType) -> None:
    with pytest.raises(ConnectionError, match=r"bank\.example\.org"):
        snippet.test_an_invoice_is_converted()
    snippet.app.dependency_overrides[snippet.get_rate] = lambda: 1.5
    snippet.test_an_invoice_is_converted()


@pytest.mark.holds(
    "An override stays until you take it out, so the test clears it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/overridden.py"], indirect=True)
def test_an_override_stays(snippet: ModuleType) -> None:
    snippet.app.dependency_overrides[snippet.get_rate] = lambda: 2
    for _ in range(2):
        assert ask(snippet.app, "GET /invoices/10") == [(200, "20.0")]
    snippet.app.dependency_overrides.clear()
    assert ask(snippet.app, "GET /invoices/10")[0][0] == 500


@pytest.mark.holds(
    "When the store is away, the client gets 500.",
    "Without the scope, FastAPI sends the answer before it runs the line after yield.",
    "When the store is away, the client gets 201, and the order is lost.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/before.py", twin("after", AssertionError, "the client is told 201")],
    indirect=True,
)
def test_a_client_learns_that_its_order_was_not_stored(
    snippet: ModuleType, record_property: Any
) -> None:
    assert ask(snippet.app, "POST /orders/7") == [(201, '"order 7 is stored"')]
    assert snippet.STORE == {"orders": [7]}
    vars(snippet)["STORE"] = Refusing()
    ((status, _),) = ask(snippet.app, "POST /orders/8")
    record_property("figure", str(status))
    assert status == 500, f"the client is told {status}, and the order is lost"
    assert dict(snippet.STORE) == {}


@pytest.mark.holds(
    "The body of a stream is sent after the endpoint returned, so its dependency needs the default scope.",
    "The status is 200, and each line was written after the connection was given back.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/stream.py",
        twin("outlived", AssertionError, "the status is 200, and 3 lines of 3 are lost"),
    ],
    indirect=True,
)
def test_a_stream_has_what_it_uses_until_its_end(snippet: ModuleType, record_property: Any) -> None:
    ((status, text),) = ask(snippet.app, "GET /export")
    lost = text.count("lost")
    record_property("figure", str(status))
    lines = text.count("\n")
    assert not lost, f"the status is {status}, and {lost} lines of {lines} are lost"
    assert text == "".join(f"order {number}: read\n" for number in range(3))
    assert not snippet.OPEN


@pytest.mark.parametrize("snippet", [f"{FOLDER}/stream.py", f"{FOLDER}/outlived.py"], indirect=True)
def test_a_broken_request_gives_its_connection_back(snippet: ModuleType) -> None:
    async def refuse(connection: str) -> None:
        raise HTTPException(404)

    refuse.__annotations__["connection"] = snippet.Connection
    snippet.app.get("/refused")(refuse)
    assert ask(snippet.app, "GET /refused")[0][0] == 404
    assert not snippet.OPEN


@pytest.mark.holds(
    "Declare such a function as an AsyncIterator: with the type of what it yields, mypy refuses it with misc.",
    "Ruff's FAST002 finds a Depends that stands in no Annotated type, in endpoints only.",
)
@pytest.mark.service(
    "tests/test_layers.py::test_the_session_is_closed_before_the_response_is_sent",
)
@pytest.mark.proves("service/tests/test_layers.py")
def test_what_the_tools_see(tmp_path: Path, service: Holds) -> None:
    service()
    source = (SNIPPETS / FOLDER / "given.py").read_text()
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        source.replace("-> AsyncIterator[str]:", "-> str:").replace(
            "number: int, connection: Annotated[str, Depends(get_connection)]",
            "number: int, connection: str = Depends(get_connection)",
        )
    )
    typed = subprocess.run(["mypy", wrong], cwd=ROOT, capture_output=True, text=True).stdout
    assert "[misc]" in typed and "async generator" in typed
    told = ruff(wrong)
    assert told.count("FAST002") == 1
    rule = "number: int, connection: str = Depends(get_connection)"
    below = f"\n\nasync def get_number({rule}) -> int:\n    return number\n"
    wrong.write_text(source + below)
    assert ruff(wrong) == ""


@pytest.mark.holds(
    "The session of the service is closed before the answer",
    "Users is what the endpoints of the service ask for, and it brings the session of the request:",
    "The service has this test:",
)
@pytest.mark.service(
    "tests/test_layers.py::test_the_session_is_closed_before_the_response_is_sent",
)
@pytest.mark.proves("service/src/accounts/api/dependencies.py")
def test_the_session_of_the_service_is_closed_first(service: Holds) -> None:
    service()
