"""What the page on clients in tests claims."""

import asyncio
import gc
import importlib.metadata
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.inner import ends
from tests.parts.server import beside
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "testing/client"
ROWS = [row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"]
UNABLE = "app.state.rate = 1.5", 'raise ConnectionError("bank.example.org")'
BARE = "    with TestClient(app) as client:\n        yield client\n", "    yield TestClient(app)\n"
OPEN = "raise HTTPException(401)", 'return "Ann"'
COLLECTED = (
    "    for number in (1, 2, 3):\n        MADE.append(number)\n",
    "    MADE.extend((1, 2, 3))\n    for number in MADE:\n",
)
LETTERS = "len(body)", "len(text)"
OLD = """
import sys, httpx2
sys.modules |= {"httpx": httpx2, "httpx2": None}
import starlette.testclient
"""
Ended = Callable[..., str]


INSTRUCTIONS = [
    "Start the app in each test, replace only what lies outside the process, and send some requests over a real connection.",
    "If you don't know which client to take, use TestClient in a with block.",
    "Install fastapi, httpx2, pytest and uvicorn, which the examples below need too.",
    "Don't leave out with",
    "Read how to make for each test what belongs to its loop.",
    "Read in Let each endpoint ask for what it uses how a test replaces a dependency.",
    "Don't replace what the test is there for",
    "Don't read the whole stream at once",
    "Don't take a client that sends no bytes",
    "Take ASGITransport where the test itself awaits, such as a query of the same database, and start the lifespan yourself.",
    "Take a server for limits and timeouts of connections, for headers, and for what happens when a client leaves.",
    "Take a process of its own for signals: read how a shutdown ends streams.",
    "Move what a module opens on import into the lifespan.",
    "Write one fixture that starts the app and gives the client.",
    "Search the tests for dependency_overrides, and replace what lies further out.",
    "Serve the app in one test of each kind of answer: text, file, stream.",
]


def answers(app: FastAPI, *requests: tuple[str, dict[str, str]]) -> list[httpx2.Response]:
    """Return the answers of a started app to paths and headers, asked in this thread."""

    async def ask() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            return [await client.get(path, headers=headers) for path, headers in requests]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/{n}.py" for n in ("started", "unstarted")], indirect=True
)
def test_an_app_without_override_asks_the_bank(snippet: ModuleType) -> None:
    (answer,) = answers(snippet.app, ("/invoices/10", {}))
    assert answer.json() == 15


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/{n}.py" for n in ("streamed", "whole")], indirect=True
)
def test_a_stream_has_three_lines(snippet: ModuleType) -> None:
    (answer,) = answers(snippet.app, ("/invoices", {}))
    assert answer.text == "invoice 1\ninvoice 2\ninvoice 3\n"


@pytest.fixture
def ended(tmp_path: Path) -> Ended:
    """What tells how the only test of a snippet ends, with some of its text replaced."""

    def inner(snippet: ModuleType, *changes: tuple[str, str]) -> str:
        (outcome,) = ends(tmp_path, Path(str(snippet.__file__)), *changes).values()
        return outcome

    return inner


@pytest.mark.holds(
    "Test endpoints without a network",
    "Each test of an endpoint is green, and the process ends before its first request: what it opens at its start fails.",
    "Look at with: it runs the lifespan, and so the test sees that the app can start.",
    "The override answers in place of what the lifespan opens, so an app that can't start is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/started.py",
        dont(f"{FOLDER}/unstarted.py", "the app can't start, and the test is green"),
    ],
    indirect=True,
)
def test_an_app_that_cannot_start_is_red(snippet: ModuleType, ended: Ended) -> None:
    assert ended(snippet) == "passed"
    assert ended(snippet, UNABLE) == "error", "the app can't start, and the test is green"


@pytest.mark.holds(
    "Or a test ends in 'State' object has no attribute 'rate'.",
    "Without the override, the request ends in 'State' object has no attribute 'rate'.",
    "Without with, each request has an event loop of its own, and a pool that the first one filled fails in the second.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unstarted.py"], indirect=True)
def test_without_a_block_nothing_is_started(snippet: ModuleType) -> None:
    with pytest.raises(AttributeError, match=r"^'State' object has no attribute 'rate'$"):
        TestClient(snippet.app).get("/invoices/10")
    loops = list[asyncio.AbstractEventLoop]()

    async def note() -> None:
        loops.append(asyncio.get_running_loop())

    snippet.app.get("/loop")(note)
    alone = TestClient(snippet.app)
    with TestClient(snippet.app) as started:
        for client in (alone, started):
            assert [client.get("/loop").status_code for _ in range(2)] == [200, 200]
        assert started.get("/invoices/10").json() == 15
    first, second, third, fourth = loops
    assert first is not second
    assert third is fourth


@pytest.mark.holds(
    "An override doesn't reach the lifespan, which calls the bank itself: pass it the address of a fake by a setting.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/started.py"], indirect=True)
def test_an_override_does_not_reach_the_lifespan(snippet: ModuleType) -> None:
    source = Path(str(snippet.__file__)).read_text()
    assert "app.state.rate = 1.5  # stands for a call of the bank" in source
    snippet.app.dependency_overrides[snippet.get_rate] = lambda: 2.0
    (answer,) = answers(snippet.app, ("/invoices/10", {}))
    assert (answer.json(), snippet.app.state.rate) == (20, 1.5)


@pytest.mark.holds("monkeypatch takes the override out again, also when the test fails.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/started.py"], indirect=True)
def test_an_override_is_taken_out(snippet: ModuleType, tmp_path: Path) -> None:
    told = "\n\ndef test_after() -> None:\n    assert not app.dependency_overrides\n"
    wrong = "assert answer.json() == 20", "assert answer.json() == 21"
    ended = ends(tmp_path, Path(str(snippet.__file__)), wrong, more=told)
    assert ended == {"test_an_invoice_is_converted": "failed", "test_after": "passed"}


@pytest.mark.holds(
    "Do: replace what lies outside",
    "Let get_user give a user for each token, and the test fails.",
    "Nothing calls get_user, and a get_user that lets everybody in is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/at_the_edge.py",
        dont(f"{FOLDER}/too_much.py", "everybody is let in, and the test is green"),
    ],
    indirect=True,
)
def test_an_open_door_is_red(snippet: ModuleType, ended: Ended) -> None:
    assert ended(snippet) == "passed"
    assert ended(snippet, OPEN) == "failed", "everybody is let in, and the test is green"


@pytest.mark.holds(
    "Look at get_tokens, which asks another service: the test replaces it, and get_user stays.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/at_the_edge.py", f"{FOLDER}/too_much.py"], indirect=True
)
def test_the_edge_is_another_service(snippet: ModuleType) -> None:
    valid, old = ("/me", {"token": "valid"}), ("/me", {"token": "old"})
    with pytest.raises(ConnectionError, match=r"tokens\.example\.org"):
        answers(snippet.app, valid)
    snippet.app.dependency_overrides[snippet.get_tokens] = lambda: {"valid": "Ann"}
    assert [answer.status_code for answer in answers(snippet.app, valid, old)] == [200, 401]


@pytest.mark.holds(
    "Do: read the first line of a stream",
    "Look at made: the endpoint hasn't made the last line when the client reads the first.",
    "TestClient takes a part of the body, and the app waits until the test reads on.",
    "An endpoint that makes all lines before it sends one keeps them all in memory, and this test is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/streamed.py",
        dont(f"{FOLDER}/whole.py", "all lines are kept, and the test is green"),
    ],
    indirect=True,
)
def test_a_stream_that_is_kept_is_red(snippet: ModuleType, ended: Ended) -> None:
    assert ended(snippet) == "passed"
    assert ended(snippet, COLLECTED) == "failed", "all lines are kept, and the test is green"


@pytest.mark.holds(
    "Or each test reads an answer that no client ever gets.",
    "Do: serve the app where the bytes matter",
    "Look at client: uvicorn serves the app in the test's own event loop, on a free port.",
    "Write len(text) in place of len(body), and the test fails: uvicorn refuses a body that is longer than the header says.",
    "With len(text), this test is green, and no client gets the invoice.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/served.py",
        dont(f"{FOLDER}/in_process.py", "no client gets the answer, and the test is green"),
    ],
    indirect=True,
)
def test_an_answer_that_nobody_gets_is_red(snippet: ModuleType, ended: Ended) -> None:
    assert ended(snippet) == "passed"
    outcome = ended(snippet, LETTERS)
    gc.collect()
    assert outcome == "failed", "no client gets the answer, and the test is green"


class Probe:
    """An app with one endpoint for each row of the table, and what its endpoints noted."""

    def __init__(self) -> None:
        self.app = FastAPI(lifespan=self.lifespan)
        self.started, self.waiting = False, asyncio.Event()
        self.loops = list[asyncio.AbstractEventLoop]()
        for each in (self.lines, self.short, self.loop, self.broken):
            self.app.get(f"/{each.__name__}")(each)

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        self.started = True
        yield

    async def lines(self) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            self.waiting.set()
            await asyncio.Event().wait()  # until the client leaves

        return StreamingResponse(lines())

    async def short(self) -> Response:
        return Response("Müller".encode(), headers={"Content-Length": "6"})

    async def loop(self) -> None:
        self.loops.append(asyncio.get_running_loop())

    async def broken(self) -> None:
        raise KeyError("broken")


async def seen(probe: Probe, client: httpx2.AsyncClient) -> list[bool]:
    """Return what an asynchronous client sees, in the order of the rows."""

    async def first_line() -> str:
        async with client.stream("GET", "/lines") as answer:
            return await anext(answer.aiter_lines())

    reading = asyncio.create_task(first_line())
    waiting = asyncio.create_task(probe.waiting.wait())
    await asyncio.wait([reading, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert waiting.done(), "the request failed"
    found = [probe.started]
    if isinstance(client._transport, httpx2.ASGITransport):
        for _ in range(100):
            await asyncio.sleep(0)  # what is in this process needs no more turns
    else:
        await asyncio.wait([reading])
    found.append(reading.done() and reading.result() == "first")
    reading.cancel()
    await asyncio.wait([reading])
    try:
        await client.get("/short")
        found.append(False)
    except httpx2.RemoteProtocolError:
        found.append(True)
    await client.get("/loop")
    found.append(probe.loops == [asyncio.get_running_loop()])
    try:
        found.append((await client.get("/broken")).status_code != 500)
    except KeyError:
        found.append(True)
    return found


def seen_by_test_client(probe: Probe) -> list[bool]:
    """Return what a started `TestClient` sees, in the order of the rows."""
    with TestClient(probe.app) as client:
        with client.stream("GET", "/lines") as answer:
            found = [probe.started, next(answer.iter_lines()) == "first"]
        found.append(client.get("/short").text != "Müller")
        client.get("/loop")
        found.append(probe.loops == [asyncio.get_running_loop()])
        with pytest.raises(KeyError):
            client.get("/broken")
    return [*found, True]


@pytest.mark.holds(
    "What each client sees",
    "These are Starlette (1.10), HTTPX2 (2.16) and uvicorn (0.54):",
    "runs the lifespan | yes | no | yes",
    "gives the first line of a stream before its end | yes | no | yes",
    "refuses a Content-Length that is too small | no | no | yes",
    "runs the app in the event loop of the test | no | yes | yes",
    "raises in the test what the endpoint raised | yes | yes | no",
)
def test_what_each_client_sees(record_property: Any) -> None:
    async def all_seen() -> list[list[bool]]:
        found, probe = [seen_by_test_client(Probe())], Probe()
        transport = httpx2.ASGITransport(probe.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            found.append(await seen(probe, client))
        probe = Probe()
        async with (
            beside(probe.app) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=60) as client,
        ):
            found.append(await seen(probe, client))
        return found

    words = {True: "yes", False: "no"}
    columns = asyncio.run(all_seen())
    told = [" | ".join(words[each] for each in row) for row in zip(*columns, strict=True)]
    assert [row.partition(" | ")[2] for row in ROWS] == told
    for name in ("starlette", "httpx2", "uvicorn"):
        record_property("figure", importlib.metadata.version(name).rpartition(".")[0])


@pytest.mark.holds("Starlette warns where it finds httpx in place of httpx2.")
def test_starlette_warns_of_the_old_client() -> None:
    for source, status in ((OLD, 1), ("import starlette.testclient", 0)):
        command = [sys.executable, "-W", "error", "-c", source]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert ("StarletteDeprecationWarning: Using `httpx`" in done.stderr) == bool(status)


@pytest.mark.holds(
    "The service's client calls the app of another fixture, which has run the lifespan:",
)
@pytest.mark.service("tests/test_handlers.py::test_a_created_user_can_be_read")
@pytest.mark.proves("service/tests/conftest.py")
def test_the_service_starts_the_app(service: Callable[[], None]) -> None:
    service()
    told = (SNIPPETS / "service/tests/conftest.py").read_text()
    assert "async with app.router.lifespan_context(app):" in told
    assert "async def client(app: FastAPI)" in told


@pytest.mark.holds(
    "Copy this test, which gives the app a lifespan that raises, and asks for your fixture:",
    "It is red where the fixture leaves out with.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unable.py"], indirect=True)
def test_the_check_sees_a_client_that_starts_nothing(snippet: ModuleType, tmp_path: Path) -> None:
    snippet.app.router.lifespan_context = snippet.unable
    with pytest.raises(ConnectionError, match=r"bank\.example\.org"):
        answers(snippet.app)
    file, unknown = Path(str(snippet.__file__)), {"test_an_order_is_unknown": "passed"}
    assert ends(tmp_path, file) == {**unknown, "test_the_client_starts_the_app": "passed"}
    assert ends(tmp_path, file, BARE) == {**unknown, "test_the_client_starts_the_app": "failed"}
