"""What the page on clients claims."""

import asyncio
import time
from types import ModuleType
from typing import Any

import aiohttp
import pytest

from tests.parts.server import serving

FOLDER = "concurrency/clients"


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
def test_a_call_ends_at_its_limit(snippet: ModuleType, upstream: str) -> None:
    async def wait_for(path: str) -> None:
        call = asyncio.create_task(snippet.names(upstream, [path], limit=0.2))
        done, _ = await asyncio.wait([call], timeout=0.8)
        call.cancel()
        assert done, f"{path} still waits at four times the limit"
        with pytest.raises(TimeoutError):
            await call

    for path in "/hang", "/trickle":
        asyncio.run(wait_for(path))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unlimited.py"], indirect=True)
def test_a_limit_of_the_read_ends_only_silence(snippet: ModuleType, upstream: str) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(snippet.names(upstream, ["/hang"], limit=0.1))
    with pytest.raises(aiohttp.ClientResponseError, match="503"):
        asyncio.run(snippet.names(upstream, ["/error"], limit=5))
    assert len(asyncio.run(snippet.names(upstream, ["/whoami"], limit=5))) == 1


def test_a_client_without_limits_waits_five_minutes(record_property: Any) -> None:
    minutes = (aiohttp.client.DEFAULT_TIMEOUT.total or 0) / 60
    assert minutes == 5
    record_property("figure", "5 minutes")


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
def test_calls_share_a_connection(snippet: ModuleType, upstream: str) -> None:
    clients = asyncio.run(snippet.names(upstream, ["/whoami"] * 3, limit=5))
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
def test_an_error_of_the_service_is_raised(snippet: ModuleType, upstream: str) -> None:
    with pytest.raises(aiohttp.ClientResponseError, match="503"):
        asyncio.run(snippet.names(upstream, ["/error"], limit=5))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/unchecked.py"], indirect=True)
def test_without_a_check_the_error_becomes_data(snippet: ModuleType, upstream: str) -> None:
    assert asyncio.run(snippet.names(upstream, ["/error"], limit=5)) == ["unknown"]
    (name,) = asyncio.run(snippet.names(upstream, ["/whoami"], limit=5))
    assert name.startswith("127.0.0.1:")
    with pytest.raises(TimeoutError):
        asyncio.run(snippet.names(upstream, ["/hang"], limit=0.1))


@pytest.mark.parametrize("snippet", [f"{FOLDER}/misbehaving.py"], indirect=True)
def test_the_server_misbehaves(snippet: ModuleType) -> None:
    async def misbehaviour(url: str) -> None:
        async with aiohttp.ClientSession(url) as client:
            async with client.get("/error") as answer:
                assert answer.status == 503
                assert await answer.json() == {"detail": "down for maintenance"}
            async with client.get("/whoami") as answer:
                host, _, port = (await answer.json())["name"].partition(":")
                assert host == "127.0.0.1"
                assert int(port) > 0
            async with client.get("/trickle") as answer:
                assert answer.content_type == "application/json"
                started = time.perf_counter()
                assert [await answer.content.read(1) for _ in range(4)] == [b" "] * 4
                assert time.perf_counter() - started < 1
                await asyncio.sleep(0.1)
                assert len(answer.content.read_nowait()) < 20, "they come all the time"
            with pytest.raises(TimeoutError):
                await client.get("/hang", timeout=aiohttp.ClientTimeout(0.2))

    with serving(snippet.app, timeout_graceful_shutdown=0) as server:
        asyncio.run(misbehaviour(server.url))
        assert server.stop(within=5)
