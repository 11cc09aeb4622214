"""What the page on clients claims."""

import asyncio
import contextlib
import itertools
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import beside, commanded, free_port

FOLDER = "concurrency/clients"
MISBEHAVING = import_module("snippets.concurrency.clients.misbehaving").app


INSTRUCTIONS = [
    "Keep one HTTP client for each remote service",
    "Open one client for each remote service, give each call a timeout in total, and look at the status before the body.",
    "Install aiohttp and pydantic, and export the UPSTREAM_URL that make parts prints: it is the address of the server under Check.",
    "Catch these exceptions where you have another answer to give:",
    "Don't: open a client for each call",
    "Don't: limit the read alone",
    "Don't: take an error for data",
    "Open the client in the lifespan of the app, keep it in the state of the app, and close it at the end.",
    "Set total of aiohttp.ClientTimeout, which counts from the call to the end of the body, the wait for a connection included.",
    "Open the client of the cache once too",
    "If you retry, retry only what is idempotent: a call that does the same when it is sent twice.",
    "Test your client against a server that misbehaves:",
    "Install fastapi and uvicorn, run uvicorn --timeout-graceful-shutdown 1 misbehaving:app in the file's folder, and set UPSTREAM_URL to the address that it prints.",
]


JUDGEMENTS = [
    "We call the object that keeps connections to a remote service and sends requests over them a client.",
    "We recommend 5 seconds if you don't know how long to wait.",
]


def ask(snippet: ModuleType, *paths: str, limit: float = 5, app: Any = MISBEHAVING) -> list[str]:
    """Return the names that a snippet gets from a service with the same clock, which jumps."""

    async def names() -> list[str]:
        async with beside(app) as server:
            found: list[str] = await snippet.names(server.url, list(paths), limit=limit)
            return found

    return clock.run(names())


@pytest.mark.holds(
    "Our service calls another service, and waits for it without end, opens a new connection for each call, or takes an error message for data.",
    "A timeout for each read looks like a timeout for the call.",
    "Each space starts the timeout anew, so the call never ends.",
    "This service sends a space now and then.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/shared.py",
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
    async def ended(path: str) -> float:
        async with beside(MISBEHAVING) as server:
            started = clock.now()
            call = asyncio.create_task(snippet.names(server.url, [path], limit=0.4))
            done, _ = await asyncio.wait([call], timeout=1.6)
            took = clock.now() - started
            call.cancel()
            assert done, f"{path} still waits at four times the limit"
            with pytest.raises(TimeoutError):
                await call
            return took

    for path in "/hang", "/trickle":
        assert clock.run(ended(path)) == pytest.approx(0.4)


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unlimited.py"], indirect=True)
def test_a_limit_of_the_read_ends_only_silence(snippet: ModuleType) -> None:
    with pytest.raises(TimeoutError):
        ask(snippet, "/hang", limit=0.1)
    with pytest.raises(aiohttp.ClientResponseError, match="503"):
        ask(snippet, "/error")
    assert len(ask(snippet, "/whoami")) == 1


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unlimited.py"], indirect=True)
@pytest.mark.parametrize(("took", "late"), [(0.749, False), (0.75, True)])
def test_it_prints_whether_it_waited_three_times_the_limit(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    took: float,
    late: bool,
) -> None:
    async def hang(*asked: object) -> None:
        assert asked[1:] == (["/trickle"], 0.25)
        await asyncio.Event().wait()

    monkeypatch.setenv("UPSTREAM_URL", "")
    monkeypatch.setattr(snippet, "names", hang)
    clock.stopwatch(snippet, monkeypatch, took)
    clock.run(snippet.main())
    assert capsys.readouterr().out == f"it waited three times the limit: {late}\n"


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
    "A client reuses its connections, and closes them when it is closed.",
    "The tests are green, because the other service answers in time there.",
    "Here each call opens a new connection, with its handshakes.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/shared.py",
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
    clients = ask(snippet, "/whoami", "/whoami", "/whoami")
    assert all(client.startswith("127.0.0.1:") for client in clients)
    assert len(set(clients)) == 1, f"the server saw {len(set(clients))} connections"


@pytest.mark.holds(
    "Look at name_at: it looks at the status, then checks the body against a model.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/shared.py",
        f"{FOLDER}/per_call.py",
        pytest.param(
            f"{FOLDER}/unchecked.py",
            marks=pytest.mark.xfail(  # the body of an error is JSON as well
                strict=True, raises=pytest.RaisesExc(pytest.fail.Exception, match="DID NOT RAISE")
            ),
        ),
    ],
    indirect=True,
)
def test_an_error_of_the_service_is_raised(snippet: ModuleType) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="503"):
        ask(snippet, "/error")


@pytest.mark.holds(
    "The service was down for maintenance and said so in JSON.",
    "The caller took that for a user called unknown.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unchecked.py"], indirect=True)
def test_without_a_check_the_error_becomes_data(snippet: ModuleType) -> None:
    assert ask(snippet, "/error") == ["unknown"]
    (name,) = ask(snippet, "/whoami")
    assert name.startswith("127.0.0.1:")
    with pytest.raises(TimeoutError):
        ask(snippet, "/hang", limit=0.1)


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
@pytest.mark.holds("With this limit it ends at SIGTERM, although calls hang.")
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


BODIES = {"empty": "", "list": "[]", "null": "null", "keyless": "{}"}


ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
SAID = {  # by a server that hangs up, or says what no server of HTTP says
    "hangs up": None,
    "speaks another protocol": b"220 mail.example.org\r\n\r\n",
    "compresses wrongly": ZIPPED,
}


async def said(snippet: ModuleType, answer: bytes | None) -> None:
    """Call a service that answers with these bytes, or closes the connection without any."""
    async with raw(lambda number: answer) as (url, _):
        await snippet.names(url, ["/"], limit=5)


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


@pytest.fixture
def strange() -> FastAPI:
    """A service that answers what isn't JSON, sets cookies, and remembers who waited for it."""
    app, waited = FastAPI(), list[str]()

    @app.get("/html")
    async def html() -> Response:
        return Response("<p>", media_type="text/html")

    @app.get("/broken")
    async def broken() -> Response:
        return Response("<p>", media_type="application/json")

    @app.get("/short")
    async def short() -> StreamingResponse:
        said = {"Content-Length": "9", "Content-Type": "application/json"}
        return StreamingResponse(iter(['{"na']), headers=said)

    @app.get("/elsewhere")
    async def elsewhere() -> Response:
        return RedirectResponse("ftp://localhost/")

    @app.get("/slow")
    async def slow() -> None:
        await clock.passed(10)
        waited.append("done")

    @app.get("/waited")
    async def who_waited() -> dict[str, str]:
        return {"name": " ".join(waited)}

    @app.get("/login")
    async def login(response: Response) -> dict[str, str]:
        response.set_cookie("user", "ann")
        return {"name": "ann"}

    @app.get("/whoami")
    async def whoami(request: Request) -> dict[str, str]:
        return {"name": request.cookies.get("user", "nobody")}

    @app.get("/body/{name}")
    async def body(name: str) -> Response:
        return Response(BODIES[name], media_type="application/json")

    return app


@pytest.mark.holds(
    "aiohttp.ClientResponseError | The status is an error, or the answer isn't HTTP.",
    "aiohttp.ClientConnectionError | There is no connection, or the service hung up before it answered.",
    "aiohttp.ClientPayloadError | The body ends too early, or isn't compressed as it says.",
    "TimeoutError | The answer isn't complete at the timeout. What the service did is unknown.",
    "ValueError | The body isn't what the model declares: empty, no JSON, a list, null, without a key.",
    "The exceptions of these rows but for the last two are aiohttp.ClientError, and so is the one for a redirect to another scheme.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_each_failure_has_its_exception(snippet: ModuleType, strange: FastAPI) -> None:
    failures = {
        "/nothing": aiohttp.ClientResponseError,
        "/html": ValueError,
        "nowhere": aiohttp.ClientConnectionError,
        "/short": aiohttp.ClientPayloadError,
        "/slow": TimeoutError,
        "/broken": ValueError,
        "/body/empty": ValueError,
        "/body/list": ValueError,
        "/body/null": ValueError,
        "/body/keyless": ValueError,
        "hangs up": aiohttp.ClientConnectionError,
        "speaks another protocol": aiohttp.ClientResponseError,
        "compresses wrongly": aiohttp.ClientPayloadError,
        "/elsewhere": aiohttp.NonHttpUrlRedirectClientError,
    }
    nowhere = f"http://127.0.0.1:{free_port()}"

    def call(path: str) -> None:
        if path == "nowhere":
            asyncio.run(snippet.names(nowhere, ["/"], limit=5))
        elif path in SAID:
            asyncio.run(said(snippet, SAID[path]))
        else:
            ask(snippet, path, app=strange)

    for path, failure in failures.items():
        with pytest.raises(failure) as raised:
            call(path)
        kinds = {kind for kind in failures.values() if isinstance(raised.value, kind)}
        assert kinds == {failure}
        others = (TimeoutError, ValueError)
        assert isinstance(raised.value, aiohttp.ClientError) == (failure not in others)


@pytest.mark.holds(
    "When the caller gives up, an endpoint of the service goes on with the request.",
    "So the caller's timeout bounds the caller alone.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_the_service_goes_on_when_the_caller_gives_up(
    snippet: ModuleType, strange: FastAPI
) -> None:
    async def give_up() -> list[str]:
        async with beside(strange) as server:
            with pytest.raises(TimeoutError):
                await snippet.names(server.url, ["/slow"], limit=1)
            done = await snippet.names(server.url, ["/waited"], limit=1)
            await clock.passed(10)
            return [*done, *await snippet.names(server.url, ["/waited"], limit=1)]

    assert clock.run(give_up()) == ["", "done"], "the service gave up too"


@pytest.mark.holds(
    "Give it a cookie jar that keeps nothing: aiohttp's own jar sends the cookies that the service set for another user.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_a_client_keeps_cookies_unless_told_otherwise(
    snippet: ModuleType, strange: FastAPI
) -> None:
    async def kept() -> list[str]:
        async with beside(strange) as server:
            url = server.url.replace("127.0.0.1", "localhost")  # an address has no cookies
            async with aiohttp.ClientSession(url) as client:
                async with client.get("/login"):
                    pass
                name = str(await snippet.name_at(client, "/whoami"))
            return [name, *await snippet.names(url, ["/login", "/whoami"], 5)]

    assert asyncio.run(kept()) == ["ann", "ann", "nobody"]


@pytest.mark.holds(
    "No rule of Ruff sees the mistakes above.",
)
@pytest.mark.parametrize("dont", ["per_call.py", "unlimited.py", "unchecked.py"])
def test_no_rule_sees_it(dont: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / "shared.py")


@pytest.mark.holds(
    "Ruff's S113 asks for a timeout in calls of requests, and refuses one of httpx that switches its timeout off.",
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
    "The service has one client for its cache, which its lifespan opens and closes:",
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
