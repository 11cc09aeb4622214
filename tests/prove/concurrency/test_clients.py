"""What the page on clients claims."""

import asyncio
import contextlib
import inspect
import itertools
import os
import re
import runpy
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any
from unittest import mock

import aiohttp
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import beside, commanded, free_port

FOLDER = "concurrency/clients"
APP = import_module("snippets.concurrency.clients.app")
misbehaving = import_module("snippets.concurrency.clients.misbehaving")
MISBEHAVING = misbehaving.app


INSTRUCTIONS = [
    "Keep one HTTP client for each remote service",
    "Open one client for each remote service when the app starts, use it for every request, and close it when the app ends.",
    "Give each call a timeout in total, and look at the status before the body.",
    "Install aiohttp, fastapi, pydantic and uvicorn.",
    "Try the app with a small remote service:",
    "Save the service that stands under Check as misbehaving.py beside app.py, and run uvicorn misbehaving:app in their folder.",
    "In a second terminal, set UPSTREAM_URL to that service's address with export UPSTREAM_URL=http://127.0.0.1:8000, and run uvicorn --port 8001 app:app.",
    "Open http://127.0.0.1:8001/me twice within 5 seconds.",
    "Don't: open a client for each call",
    "Don't: limit the read alone",
    "Don't: take an error for data",
    "Do: tell your own caller what failed",
    "Move each aiohttp.ClientSession of an endpoint into the lifespan of the app, and get it through a dependency.",
    "Set total of aiohttp.ClientTimeout.",
    "If you retry, retry only what is idempotent: a call that does the same when it is sent twice.",
    "Open the client of a cache once too",
    "Look at the two timeouts and at max_connections: the values are constants of that file.",
]


JUDGEMENTS = [
    "We call the other service, which somebody else runs, a remote service.",
    "We call the object that keeps connections to a remote service, and sends requests over them, a client.",
    "We recommend 5 seconds if you don't know how long to wait.",
]


@asynccontextmanager
async def lived(snippet: ModuleType, upstream: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve a remote service, and beside it a snippet's app that calls it; yield a reader."""
    async with beside(upstream) as remote:
        with mock.patch.dict(os.environ, UPSTREAM_URL=remote.url):
            async with beside(snippet.app) as server, aiohttp.ClientSession(server.url) as reader:
                yield reader


def remote(answer: Callable[..., Any]) -> FastAPI:
    """Return a remote service that answers so."""
    app = FastAPI()
    app.get("/whoami", response_model=None)(answer)
    return app


def ask(snippet: ModuleType, answer: Callable[..., Any], times: int = 1) -> list[tuple[int, Any]]:
    """Return what a snippet's app says whose remote service answers so, on a clock that jumps."""

    async def asked() -> list[tuple[int, Any]]:
        async with lived(snippet, remote(answer)) as reader:
            found = []
            for _ in range(times):
                async with reader.get("/me") as said:
                    json = said.content_type == "application/json"
                    found.append((said.status, await (said.json() if json else said.text())))
            return found

    return clock.run(asked())


@asynccontextmanager
async def opened(snippet: ModuleType, url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield the client that a snippet's lifespan opens for the service at an address."""
    with mock.patch.dict(os.environ, UPSTREAM_URL=url):
        async with snippet.lifespan(snippet.app):
            yield snippet.app.state.client


@pytest.mark.holds(
    'Both answers are the same, such as {"name":"127.0.0.1:53122"}.',
    "That name is the address from which the call came, and each connection has its own: so both calls took one connection.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/app.py"], indirect=True)
def test_the_app_runs_as_the_page_says(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def twice(url: str) -> list[str]:
        found = []
        async with aiohttp.ClientSession(url) as reader:
            for _ in range(2):
                async with reader.get("/me") as said:
                    assert said.status == 200
                    found.append(await said.text())
        return found

    room = SNIPPETS / FOLDER
    with commanded(room, "misbehaving:app") as (upstream, _):
        monkeypatch.setenv("UPSTREAM_URL", upstream)
        with commanded(room, "--port", "8001", "app:app") as (url, server):
            first, second = asyncio.run(twice(url))
            server.terminate()
            assert "Application shutdown complete." in server.communicate()[0]
    assert first == second
    assert re.sub(r'\d+"', '53122"', first) == '{"name":"127.0.0.1:53122"}'
    assert uvicorn.Config("misbehaving:app").port == 8000


@pytest.mark.holds(
    "After 5 seconds uvicorn closes an idle connection, and the next answer names a new one.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/app.py"], indirect=True)
def test_a_reader_who_waits_sees_a_new_connection(
    snippet: ModuleType, record_property: Any
) -> None:
    idle = uvicorn.Config(MISBEHAVING).timeout_keep_alive
    record_property("figure", f"{idle} seconds")

    async def names(pause: float) -> set[str]:
        found = set[str]()
        async with lived(snippet, MISBEHAVING) as reader:
            for _ in range(2):
                async with reader.get("/me") as said:
                    found.add(await said.text())
                await clock.passed(pause)
        return found

    assert [len(clock.run(names(pause))) for pause in (idle - 1, idle + 1)] == [1, 2]


@pytest.mark.holds(
    "Look at lifespan: what stands above yield runs once when the app starts, and what stands below runs once when the app ends.",
    "lifespan opens the client and keeps it in app.state.",
    "The end of async with closes the client.",
    "get_client fetches the client from there.",
    "In aiohttp, the client is an aiohttp.ClientSession.",
    "Depends(get_client) tells FastAPI to call it for each request.",
    "read_me sends the call, looks at the status, and checks the body against User, the model in the folded lines.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/app.py", f"{FOLDER}/gateway.py"], indirect=True)
def test_the_client_lives_as_long_as_the_app(snippet: ModuleType) -> None:
    given: list[aiohttp.ClientSession] = []

    async def note(client: aiohttp.ClientSession) -> None:
        given.append(client)

    note.__annotations__["client"] = snippet.Client
    snippet.app.get("/note")(note)

    async def requests() -> None:
        async with lived(snippet, MISBEHAVING) as reader:
            for _ in range(2):
                async with reader.get("/note") as said:
                    assert said.status == 200
            kept = snippet.app.state.client
            assert isinstance(kept, aiohttp.ClientSession)
            assert given == [kept, kept]
            assert not kept.closed

    clock.run(requests())
    assert given[0].closed


@pytest.mark.holds(
    "A client keeps its connection after a call, so only the first call has to connect.",
    "first | connect, send, receive | connect, send, receive, close",
    "second | send, receive | connect, send, receive, close",
    "third | send, receive | connect, send, receive, close",
    "A client closes its connections when it is closed.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/per_call.py"], indirect=True)
def test_what_each_call_does(snippet: ModuleType) -> None:
    connections: list[list[str]] = []
    handlers = set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        connections.append(did := ["connect"])
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                did.append("send")
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"name":"Ada"}')
                did.append("receive")
        did.append("close")
        writer.close()

    async def calls() -> tuple[list[list[str]], list[list[str]]]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, opened(APP, url) as client:
            for _ in range(3):
                assert (await APP.read_me(client)).name == "Ada"
            one = [list(did) for did in connections]
        await asyncio.gather(*filter(None, handlers))
        assert connections[0][-1] == "close"
        connections.clear()
        handlers.clear()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with mock.patch.dict(os.environ, UPSTREAM_URL=url):
            async with server:
                for _ in range(3):
                    assert (await snippet.read_me()).name == "Ada"
                await asyncio.gather(*filter(None, handlers))
        return one, connections

    one, each = asyncio.run(calls())
    assert one == [["connect", "send", "receive", "send", "receive", "send", "receive"]]
    assert each == 3 * [["connect", "send", "receive", "close"]]


@pytest.mark.holds(
    "Calls at the same moment need a connection each: the client opens more, and keeps them for later calls.",
)
def test_calls_at_once_take_a_connection_each() -> None:
    arrived, go = list[str](), asyncio.Event()

    async def whoami(request: Request) -> dict[str, str]:
        host, port = request.client or ("", 0)
        arrived.append(f"{host}:{port}")
        if len(arrived) == 2:
            go.set()
        await go.wait()
        return {"name": arrived[-1]}

    async def calls() -> None:
        async with beside(remote(whoami)) as server, opened(APP, server.url) as client:
            await asyncio.gather(APP.read_me(client), APP.read_me(client))
            await APP.read_me(client)

    asyncio.run(calls())
    assert len(set(arrived[:2])) == 2
    assert arrived[2] in arrived[:2]


@pytest.mark.holds(
    "Requests hang and no error is logged, because the other service never ends its answer.",
    "A timeout for each read looks like a timeout for the call.",
    "Each space starts the 5 seconds anew, so the call never ends.",
    "The remote service sends a space now and then, and never ends.",
    "total counts from the start of the call to the end of the body.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/app.py",
        f"{FOLDER}/per_call.py",
        pytest.param(
            f"{FOLDER}/unlimited.py",
            marks=pytest.mark.xfail(  # each byte starts the limit of a read anew
                strict=True, raises=pytest.RaisesExc(AssertionError, match="still waits")
            ),
        ),
    ],
    indirect=True,
)
def test_a_call_ends_at_its_limit(snippet: ModuleType) -> None:
    async def ended(answer: Callable[..., Any]) -> float:
        async with lived(snippet, remote(answer)) as reader:
            started = clock.now()
            call = asyncio.create_task(reader.get("/me"))
            done, _ = await asyncio.wait([call], timeout=20)
            took = clock.now() - started
            call.cancel()
            assert done, "GET /me still waits at four times the limit"
            assert (await call).status == 500
            return took

    for answer in misbehaving.hang, misbehaving.trickle:
        assert 5 <= clock.run(ended(answer)) <= 6


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unlimited.py"], indirect=True)
def test_a_limit_of_the_read_ends_only_silence(snippet: ModuleType) -> None:
    assert [status for status, _ in ask(snippet, misbehaving.hang)] == [500]
    assert [status for status, _ in ask(snippet, misbehaving.error)] == [500]
    assert [status for status, _ in ask(snippet, misbehaving.whoami)] == [200]


@pytest.mark.holds(
    "A client without any aiohttp.ClientTimeout gives up after 5 minutes, and yours without total has no limit for the whole call.",
    "Set sock_connect too, as your aiohttp.ClientTimeout replaces aiohttp's 30 seconds for a connection.",
    "Set keepalive_timeout below the time after which the remote service closes an idle connection: aiohttp's 15 seconds are longer than uvicorn's 5.",
)
def test_a_client_without_limits_waits_five_minutes(record_property: Any) -> None:
    minutes = (aiohttp.client.DEFAULT_TIMEOUT.total or 0) / 60
    assert minutes == 5
    assert aiohttp.client.DEFAULT_TIMEOUT.sock_connect == 30
    assert aiohttp.ClientTimeout(sock_read=1).total is None
    assert aiohttp.ClientTimeout(total=1).sock_connect is None
    assert asyncio.run(kept_alive()) == 15
    assert asyncio.run(kept_alive(keepalive_timeout=4)) == 4
    assert uvicorn.Config("app").timeout_keep_alive == 5
    record_property("figure", f"{minutes:g} minutes")


@pytest.mark.holds(
    "Each call opens a new connection.",
    "An endpoint calls another service over HTTP, and one of these happens:",
    "The tests are green, because the other service answers in time there.",
    "Here each call opens a new connection, with its handshakes.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/app.py",
        pytest.param(
            f"{FOLDER}/per_call.py",
            marks=pytest.mark.xfail(  # a session keeps its connections to itself
                strict=True, raises=pytest.RaisesExc(AssertionError, match="3 connections")
            ),
        ),
    ],
    indirect=True,
)
def test_calls_share_a_connection(snippet: ModuleType) -> None:
    answers = ask(snippet, misbehaving.whoami, times=3)
    assert {status for status, _ in answers} == {200}
    names = {said["name"] for _, said in answers}
    assert all(name.startswith("127.0.0.1:") for name in names)
    assert len(names) == 1, f"the remote service saw {len(names)} connections"


@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/app.py",
        f"{FOLDER}/per_call.py",
        f"{FOLDER}/unlimited.py",
        pytest.param(
            f"{FOLDER}/unchecked.py",
            marks=pytest.mark.xfail(  # the body of an error is JSON as well
                strict=True, raises=pytest.RaisesExc(AssertionError, match="called 'unknown'")
            ),
        ),
    ],
    indirect=True,
)
def test_an_error_of_the_service_is_none_of_its_answers(snippet: ModuleType) -> None:
    ((status, said),) = ask(snippet, misbehaving.error)
    assert status != 200, f"your caller gets {status}, and a user called {said['name']!r}"
    assert status == 500


@pytest.mark.holds(
    'A response shows a user called "unknown": your code took an error message for data.',
    "The remote service was down for maintenance, and said so in JSON with the status 503.",
    "The code took that for a user called unknown.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unchecked.py"], indirect=True)
def test_without_a_check_the_error_becomes_data(snippet: ModuleType) -> None:
    with pytest.raises(HTTPException, match="503: down for maintenance"):
        asyncio.run(misbehaving.error())
    assert ask(snippet, misbehaving.error) == [(200, {"name": "unknown"})]
    ((status, said),) = ask(snippet, misbehaving.whoami)
    assert (status, said["name"].partition(":")[0]) == (200, "127.0.0.1")
    assert [status for status, _ in ask(snippet, misbehaving.hang)] == [500]


@pytest.mark.holds(
    "A service fails in more ways than it works: it refuses, errs, hangs, or sends its answer a byte at a time.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/misbehaving.py"], indirect=True)
def test_the_server_misbehaves(snippet: ModuleType) -> None:
    async def misbehaviour() -> None:
        async with beside(snippet.app) as server, aiohttp.ClientSession(server.url) as client:
            async with client.get("/error") as answer:
                assert answer.status == 503
                assert await answer.json() == {"detail": "down for maintenance"}
            async with client.get("/whoami") as answer:
                host, _, port = (await answer.json())["name"].partition(":")
                assert host == "127.0.0.1"
                assert int(port) > 0
            started = clock.now()
            async with client.get("/trickle") as answer:
                assert answer.content_type == "application/json"
                assert [await answer.content.read(1) for _ in range(4)] == [b" "] * 4
                assert clock.now() - started == pytest.approx(3 * 0.02)
            with pytest.raises(TimeoutError):
                await client.get("/hang", timeout=aiohttp.ClientTimeout(5))

    clock.run(misbehaviour())


@pytest.mark.holds(
    "Set limit of aiohttp.TCPConnector if many calls run at once: a client opens 100 connections at most by default.",
    "The wait for a connection counts in total.",
)
def test_the_limit_counts_while_the_call_waits_for_a_connection(record_property: Any) -> None:
    queued = []

    async def note(*_: object) -> None:
        queued.append("queued")

    async def second_call() -> int:
        connector, trace = aiohttp.TCPConnector(limit=1), aiohttp.TraceConfig()
        trace.on_connection_queued_start.append(note)
        limit, most = aiohttp.ClientTimeout(total=0.05), aiohttp.TCPConnector().limit
        async with (
            beside(MISBEHAVING) as server,
            aiohttp.ClientSession(server.url, connector=connector, trace_configs=[trace]) as client,
        ):
            holds = asyncio.create_task(client.get("/hang"))
            waits = asyncio.create_task(client.get("/whoami", timeout=limit))
            with pytest.raises(TimeoutError):
                await waits
            holds.cancel()
        return most

    most = clock.run(second_call())
    assert most == 100
    assert queued == ["queued"]
    record_property("figure", f"{most} at")


@pytest.mark.proves(f"{FOLDER}/misbehaving.py")
@pytest.mark.holds(
    "Run uvicorn --timeout-graceful-shutdown 1 misbehaving:app, and the service ends at SIGTERM although calls hang."
)
def test_the_misbehaving_server_ends_at_sigterm() -> None:
    async def stop(url: str, server: subprocess.Popen[str]) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        async with aiohttp.ClientSession(url) as client, client.get("/whoami") as answer:
            assert answer.status == 200
        server.terminate()
        said, _ = await asyncio.to_thread(server.communicate)
        writer.close()
        assert "timeout graceful shutdown exceeded" in said
        return server.returncode

    command = ["--timeout-graceful-shutdown", "1", "misbehaving:app"]
    with commanded(SNIPPETS / FOLDER, *command) as (url, server):
        assert asyncio.run(stop(url, server)) in (0, -signal.SIGTERM)


ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def raw(answer: Callable[[int], bytes | None]) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve requests by their number in the connection; without an answer the service hangs up.

    Yield its address, and the first line of each request that arrived.
    """
    arrived, handlers = list[str](), set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):
            for number in itertools.count(1):
                head = await reader.readuntil(b"\r\n\r\n")
                arrived.append(head.decode().partition(" HTTP")[0])
                if (sent := answer(number)) is None:
                    break
                writer.write(sent)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", arrived
        finally:  # the client has closed its connections by now
            await asyncio.gather(*filter(None, handlers))


@pytest.mark.holds(
    "A connection that closes while it is used",
    "A remote service can close an idle connection in the moment that a request goes out on it.",
    "aiohttp then retries a GET on a new connection, so the service can see it twice.",
    "A POST fails with aiohttp.ServerDisconnectedError, and its result is unknown.",
)
def test_what_a_client_does_when_a_kept_connection_closes() -> None:
    fine = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async def seen(method: str) -> list[str]:
        async with (
            raw(lambda number: fine if number == 1 else None) as (url, arrived),
            aiohttp.ClientSession(url) as client,
        ):
            async with client.get("/first"):
                pass
            async with client.request(method, "/second"):
                return arrived

    assert asyncio.run(seen("GET")) == ["GET /first", "GET /second", "GET /second"]
    with pytest.raises(aiohttp.ServerDisconnectedError):
        asyncio.run(seen("POST"))


async def kept_alive(**options: Any) -> float:
    """Return for how many seconds a client keeps an idle connection."""
    connector = aiohttp.TCPConnector(**options)
    await connector.close()
    return connector._keepalive_timeout or 0.0


async def html() -> Response:
    return Response("<p>", media_type="text/html")


async def broken() -> Response:
    return Response("<p>", media_type="application/json")


async def short() -> StreamingResponse:
    said = {"Content-Length": "9", "Content-Type": "application/json"}
    return StreamingResponse(iter(['{"na']), headers=said)


async def elsewhere() -> Response:
    return RedirectResponse("ftp://localhost/")


async def nothing() -> None:
    raise HTTPException(404)


def body(text: str) -> Callable[..., Any]:
    """Return a remote service's endpoint that answers with this text as JSON."""

    async def answer() -> Response:
        return Response(text, media_type="application/json")

    return answer


FAILURES = dict[str, tuple[type[Exception], Any]](
    {
        "not found": (aiohttp.ClientResponseError, nothing),
        "down": (aiohttp.ClientResponseError, misbehaving.error),
        "another protocol": (aiohttp.ClientResponseError, b"220 mail.example.org\r\n\r\n"),
        "nobody listens": (aiohttp.ClientConnectionError, None),
        "hangs up": (aiohttp.ClientConnectionError, b""),
        "too short": (aiohttp.ClientPayloadError, short),
        "compressed wrongly": (aiohttp.ClientPayloadError, ZIPPED),
        "hangs": (TimeoutError, misbehaving.hang),
        "trickles": (TimeoutError, misbehaving.trickle),
        "HTML": (ValueError, html),
        "no JSON": (ValueError, broken),
        "empty": (ValueError, body("")),
        "a list": (ValueError, body("[]")),
        "null": (ValueError, body("null")),
        "without a key": (ValueError, body("{}")),
        "another scheme": (aiohttp.NonHttpUrlRedirectClientError, elsewhere),
    }
)


@asynccontextmanager
async def failing(how: Any) -> AsyncIterator[str]:
    """Yield the address of a remote service that fails in a way."""
    if how is None:
        yield f"http://127.0.0.1:{free_port()}"
    elif isinstance(how, bytes):
        async with raw(lambda number: how or None) as (url, _):
            yield url
    else:
        async with beside(remote(how)) as server:
            yield server.url


@pytest.mark.holds(
    "Look at the two except lines: 504 says that the remote service was too slow, and 502 that it failed.",
    "TimeoutError | The answer wasn't complete at the timeout. What the service did is unknown. | 504",
    "aiohttp.ClientResponseError | The status is an error, or the answer isn't HTTP. | 502",
    "aiohttp.ClientConnectionError | There is no connection, or the service hung up before it answered. | 502",
    "aiohttp.ClientPayloadError | The body ends too early, or isn't compressed as it says. | 502",
    "ValueError | The body isn't what the model declares: empty, no JSON, a list, null, without a key. | 502",
    "aiohttp.ClientError covers the rows that begin with aiohttp, and a redirect to another scheme.",
)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gateway.py"], indirect=True)
def test_each_failure_has_its_exception_and_its_status(snippet: ModuleType, failure: str) -> None:
    kind, how = FAILURES[failure]

    async def calls() -> tuple[Exception, HTTPException]:
        async with failing(how) as url:
            async with opened(APP, url) as client:
                with pytest.raises(kind) as plain:
                    await APP.read_me(client)
            async with opened(snippet, url) as client:
                with pytest.raises(HTTPException) as told:
                    await snippet.read_me(client)
        return plain.value, told.value

    raised, told = clock.run(calls())
    kinds = {each for each, _ in FAILURES.values() if isinstance(raised, each)}
    assert kinds == {kind}
    assert isinstance(raised, aiohttp.ClientError) == (kind not in (TimeoutError, ValueError))
    slow = kind is TimeoutError
    detail = "the remote service is too slow" if slow else "the remote service failed"
    assert (told.status_code, told.detail) == (504 if slow else 502, detail)


@pytest.mark.holds(
    "If nobody catches the exception, your caller gets 500, as if your own code were at fault.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gateway.py"], indirect=True)
def test_an_exception_that_nobody_catches_is_a_500(snippet: ModuleType) -> None:
    assert ask(APP, misbehaving.error) == [(500, "Internal Server Error")]
    assert ask(snippet, misbehaving.error) == [(502, {"detail": "the remote service failed"})]


@pytest.mark.holds(
    "It is async def, because FastAPI runs a plain def in a thread.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/app.py"], indirect=True)
def test_the_dependency_takes_no_thread(snippet: ModuleType) -> None:
    ran = list[int]()

    async def awaited(client: object) -> None:
        ran.append(threading.get_ident())

    def plain(request: Request) -> None:
        ran.append(threading.get_ident())

    async def needs(first: None, second: None) -> None: ...

    awaited.__annotations__["client"] = Annotated[object, Depends(snippet.get_client)]
    for name, each in {"first": awaited, "second": plain}.items():
        needs.__annotations__[name] = Annotated[None, Depends(each)]
    snippet.app.get("/needs")(needs)

    async def request() -> None:
        async with lived(snippet, MISBEHAVING) as reader, reader.get("/needs") as said:
            assert said.status == 200

    asyncio.run(request())
    assert inspect.iscoroutinefunction(snippet.get_client)
    assert ran[0] == threading.get_ident() != ran[1]


@pytest.mark.holds(
    "aiohttp rounds a timeout of 5 seconds or more up to a full second of its clock.",
)
@pytest.mark.parametrize(("total", "late"), [(4.5, False), (5, True), (5.5, True)])
def test_a_long_timeout_is_rounded_up(total: float, late: bool) -> None:
    async def ended() -> tuple[float, float]:
        timeout = aiohttp.ClientTimeout(total=total)
        async with (
            beside(MISBEHAVING) as server,
            aiohttp.ClientSession(server.url, timeout=timeout) as client,
        ):
            await clock.passed(0.25)
            started = clock.now()
            with pytest.raises(TimeoutError):
                await client.get("/hang")
            return clock.now() - started, clock.now()

    took, at = clock.run(ended())
    assert (at == round(at)) == late
    assert took == pytest.approx(total) or (late and total < took <= total + 1)


@pytest.mark.holds(
    "A timeout of aiohttp for a connection is a TimeoutError and an aiohttp.ClientError: put except TimeoutError first.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gateway.py"], indirect=True)
def test_a_timeout_of_the_connection_is_both(snippet: ModuleType) -> None:
    assert issubclass(aiohttp.ConnectionTimeoutError, TimeoutError)
    assert issubclass(aiohttp.ConnectionTimeoutError, aiohttp.ClientError)

    class Late:
        def get(self, path: str) -> Any:
            raise aiohttp.ConnectionTimeoutError(path)

    with pytest.raises(HTTPException) as told:
        asyncio.run(snippet.read_me(Late()))
    assert told.value.status_code == 504


@pytest.mark.holds(
    "With gateway.py, /error ends in 502, and /hang and /trickle end in 504 after 5 to 6 seconds.",
    "Point your app at a remote service that misbehaves: put /error, /hang or /trickle in the place of /whoami.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/misbehaving.py"], indirect=True)
def test_what_the_app_answers_where_its_service_misbehaves(
    snippet: ModuleType, tmp_path: Path
) -> None:
    source = (SNIPPETS / FOLDER / "gateway.py").read_text()

    async def answered(path: str) -> tuple[int, float]:
        edited = tmp_path / f"gateway{path[1:]}.py"
        edited.write_text(source.replace('"/whoami"', f'"{path}"'))
        app = SimpleNamespace(**runpy.run_path(str(edited)))
        async with lived(app, snippet.app) as reader:  # type: ignore[arg-type]  # it has an app
            started = clock.now()
            async with reader.get("/me") as said:
                return said.status, clock.now() - started

    assert clock.run(answered("/error"))[0] == 502
    for path in "/hang", "/trickle":
        status, took = clock.run(answered(path))
        assert status == 504
        assert 5 <= took <= 6


@pytest.mark.holds(
    "When the caller gives up, an endpoint of FastAPI goes on with the request, unless it streams its answer.",
    "So the caller's timeout bounds the caller alone.",
)
def test_the_service_goes_on_when_the_caller_gives_up() -> None:
    did = list[str]()

    async def slow() -> None:
        await clock.passed(10)
        did.append("done")

    async def streamed() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for number in range(10):
                yield " "
                await clock.passed(1)
                did.append(f"part {number}")

        return StreamingResponse(parts())

    async def give_up(answer: Callable[..., Any]) -> list[str]:
        did.clear()
        async with beside(remote(answer)) as server:
            async with opened(APP, server.url) as client:
                with pytest.raises(TimeoutError):
                    await APP.read_me(client)
            before = list(did)
            await clock.passed(10)
        return did[len(before) :]

    assert clock.run(give_up(slow)) == ["done"], "the service gave up too"
    assert len(clock.run(give_up(streamed))) < 2, "the stream went on"


@pytest.mark.holds(
    "Give it a cookie jar that keeps nothing: aiohttp's own jar sends the cookies that the service set for another user.",
)
def test_a_client_keeps_cookies_unless_told_otherwise() -> None:
    async def whoami(request: Request, response: Response) -> dict[str, str]:
        name = request.cookies.get("user", "nobody")
        response.set_cookie("user", "ann")
        return {"name": name}

    async def kept() -> list[str]:
        async with beside(remote(whoami)) as server:
            url = server.url.replace("127.0.0.1", "localhost")  # an address has no cookies
            async with aiohttp.ClientSession(url) as client:
                found = [(await APP.read_me(client)).name for _ in range(2)]
            async with opened(APP, url) as client:
                return found + [(await APP.read_me(client)).name for _ in range(2)]

    assert asyncio.run(kept()) == ["nobody", "ann", "nobody", "nobody"]


@pytest.mark.holds(
    "No rule of Ruff sees the mistakes above.",
)
@pytest.mark.parametrize("dont", ["per_call.py", "unlimited.py", "unchecked.py"])
def test_no_rule_sees_it(dont: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / "app.py")


@pytest.mark.holds(
    "Ruff's S113 asks for a timeout in calls of requests, and refuses a call of httpx that switches its timeout off.",
)
def test_a_rule_asks_for_a_limit_of_other_clients(tmp_path: Path) -> None:
    for number, (call, refused) in enumerate(
        [
            ('requests.get("http://localhost")', True),
            ('requests.get("http://localhost", timeout=1)', False),
            ('httpx.get("http://localhost", timeout=None)', True),
            ('httpx.get("http://localhost")', False),
        ]
    ):
        file = tmp_path / f"call{number}.py"
        file.write_text(f"import {call.partition('.')[0]}\n\n{call}\n")
        assert ("S113" in rules.found(file)) == refused


@pytest.mark.holds(
    "This playbook has a service to copy from, and cache.py is the file through which it uses Redis as a cache.",
    "The service opens one client for the cache in its lifespan and closes it there, like the client above.",
    "While the cache doesn't answer, the service reads from the database.",
)
@pytest.mark.service(
    "tests/test_cache_away.py::test_a_read_that_failed_decides_nothing_for_a_change"
)
@pytest.mark.proves("service/src/accounts/cache.py")
def test_the_service_has_one_client_for_its_cache(service: Callable[[], None]) -> None:
    service()
    lifespan = (SNIPPETS / "service/src/accounts/main.py").read_text()
    assert lifespan.count("client = create_engine(settings), cache.create_client(settings)") == 1
    assert lifespan.count("await client.aclose()") == 1
