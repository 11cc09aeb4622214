"""What the page on clients claims."""

import asyncio
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.server import beside, free_port

FOLDER = "concurrency/clients"
MISBEHAVING = import_module("snippets.concurrency.clients.misbehaving").app


def ask(snippet: ModuleType, *paths: str, limit: float = 5, app: Any = MISBEHAVING) -> list[str]:
    """Return the names that a snippet gets from a service with the same clock, which jumps."""

    async def names() -> list[str]:
        async with beside(app) as server:
            found: list[str] = await snippet.names(server.url, list(paths), limit=limit)
            return found

    return clock.run(names())


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


def test_a_client_without_limits_waits_five_minutes(record_property: Any) -> None:
    minutes = (aiohttp.client.DEFAULT_TIMEOUT.total or 0) / 60
    assert minutes == 5
    record_property("figure", "5 minutes")
    assert aiohttp.ClientTimeout(sock_read=1).total is None


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


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unchecked.py"], indirect=True)
def test_without_a_check_the_error_becomes_data(snippet: ModuleType) -> None:
    assert ask(snippet, "/error") == ["unknown"]
    (name,) = ask(snippet, "/whoami")
    assert name.startswith("127.0.0.1:")
    with pytest.raises(TimeoutError):
        ask(snippet, "/hang", limit=0.1)


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

    return app


@pytest.mark.parametrize("snippet", [f"{FOLDER}/shared.py"], indirect=True)
def test_each_failure_has_its_exception(snippet: ModuleType, strange: FastAPI) -> None:
    failures = {
        "/nothing": aiohttp.ClientResponseError,
        "/html": aiohttp.ClientResponseError,
        "nowhere": aiohttp.ClientConnectionError,
        "/short": aiohttp.ClientPayloadError,
        "/slow": TimeoutError,
        "/broken": ValueError,
    }
    nowhere = f"http://127.0.0.1:{free_port()}"

    def call(path: str) -> None:
        if path == "nowhere":
            asyncio.run(snippet.names(nowhere, ["/"], limit=5))
        ask(snippet, path, app=strange)

    for path, failure in failures.items():
        with pytest.raises(failure) as raised:
            call(path)
        kinds = {kind for kind in failures.values() if isinstance(raised.value, kind)}
        assert kinds == {failure}


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


@pytest.mark.parametrize("dont", ["per_call.py", "unlimited.py", "unchecked.py"])
def test_no_rule_sees_it(dont: str) -> None:
    assert not rules.found_only_in(SNIPPETS / FOLDER / dont, SNIPPETS / FOLDER / "shared.py")


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
