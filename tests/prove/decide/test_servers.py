"""What the page on servers claims."""

import ast
import asyncio
import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import httpx2
import psutil
import pytest

from tests.engine.needs import modules
from tests.engine.pages import SNIPPETS
from tests.parts import clock, pictures
from tests.parts.server import beside
from tests.prove.holding import NUMBERS

FOLDER = "decide/servers"
ALONE = 200  # calls of one caller
Config = importlib.import_module("gunicorn.config").Config


INSTRUCTIONS = [
    "Choose a server by what your endpoints wait for",
    "Count the calls that wait at once, and take the server that has a place for each.",
    "If you don't know how many there are, take ASGI.",
    "Do: let calls wait in an event loop",
    "Install fastapi, httpx2, gunicorn and uvicorn, and export UPSTREAM_URL, which make parts prints.",
    "Start gunicorn with --worker-class=asgi.",
    "Don't: keep gunicorn's default for calls that wait",
    "Give each client a timeout below that.",
    "Keep WSGI where the app is WSGI and its callers are few: set --threads to the calls that wait at once.",
    "Move to ASGI when callers stay for long, as they do with a stream.",
    "Give each processor that the container may use one process, and measure the memory of each.",
    "Limit what each process opens: ASGI takes more calls than the database has connections.",
    "Read the record of that decision in Settle what costs much to change before you build.",
    "Name your own app and its options in SERVERS, let it call UPSTREAM_URL at /price, and see how many of its calls wait at once.",
]


JUDGEMENTS = [
    "We call a place what a call holds while it waits: a thread of a WSGI server, or a coroutine of an ASGI server.",
    "We would measure serverless on its own platform, which doesn't run here.",
]


async def measured(held: ModuleType, server: str) -> dict[str, float]:
    """Serve an app; return the calls that waited at once, its memory, and its processor time.

    The memory is what the worker processes share with none, in bytes. The processor time is that
    of one call, in seconds, when a single caller asks.
    """
    expected, options = held.SERVERS[server]
    remote = held.Held(expected)
    async with held.serve(remote, options) as (pid, client):
        await held.ask(client, held.CALLERS)
        workers = psutil.Process(pid).children()
        memory = sum(worker.memory_full_info().uss for worker in workers)
        before = spent(workers)
        for _ in range(ALONE):
            await held.ask(client)
        return {
            "calls": remote.most,
            "memory": memory,
            "processor": (spent(workers) - before) / ALONE,
        }


def spent(processes: list[psutil.Process]) -> float:
    """Return the processor time that some processes took, in seconds."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@pytest.fixture(scope="module")
def runs() -> dict[str, dict[str, float]]:
    """What each server did, its memory and its time as multiples of the first one's."""
    held = importlib.import_module("snippets.decide.servers.held")
    found = {server: asyncio.run(measured(held, server)) for server in held.SERVERS}
    first = next(iter(found.values()))
    return {
        server: {
            "calls": run["calls"],
            **{each: round(run[each] / first[each], 1) for each in ("memory", "processor")},
        }
        for server, run in found.items()
    }


@pytest.mark.holds(
    "await a database or another service | ASGI",
    "All 40 of 40 calls wait at once, in one process.",
    "With flask and the default worker, one call waits and 39 stand in line.",
    "An ASGI server starts a coroutine for each call, and the coroutine leaves the thread to others while it waits.",
    "Calls pile up while the processor is idle: the server has no place for one more call that waits.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/awaits.py",
        pytest.param(
            f"{FOLDER}/waits.py",
            marks=pytest.mark.xfail(  # the only thread waits, and so do all other callers
                strict=True, raises=pytest.RaisesExc(AssertionError, match="1 of 40 calls wait")
            ),
        ),
    ],
    indirect=True,
)
def test_all_calls_wait_at_once(
    snippet: ModuleType, runs: dict[str, dict[str, float]], record_property: Any
) -> None:
    held = importlib.import_module("snippets.decide.servers.held")
    app = f"{snippet.__name__.rpartition('.')[2]}:app"
    server = next(name for name, (_, options) in held.SERVERS.items() if options[0] == app)
    calls = runs[server]["calls"]
    record_property("figure", f"{40 - calls:g} stand")
    assert calls == 40, f"{calls} of 40 calls wait at once"
    kind, number = server.split(",")[0], NUMBERS[int(server.split()[1])]
    record_property("says", f"await a database or another service | {kind}")
    record_property("says", f"All {calls:g} of 40 calls wait at once, in {number} process")


@pytest.mark.holds(
    "The page of this app is right, and a test with one caller sees no difference.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/awaits.py", f"{FOLDER}/waits.py"], indirect=True)
def test_one_caller_sees_no_difference(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = importlib.import_module("snippets.decide.servers.held")

    def flask() -> str:
        return str(snippet.app.test_client().get("/price").text)

    async def fastapi() -> str:
        async with (
            beside(snippet.app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.get("/price") as answer,
        ):
            return str(await answer.json())

    async def ask() -> str:
        async with await asyncio.start_server(held.Held(1), "127.0.0.1", 0) as remote:
            port = remote.sockets[0].getsockname()[1]
            monkeypatch.setenv("UPSTREAM_URL", f"http://127.0.0.1:{port}")
            threaded = snippet.__name__.endswith(".waits")
            return await (asyncio.to_thread(flask) if threaded else fastapi())

    assert asyncio.run(ask()) == "42"


def shape(runs: dict[str, dict[str, float]]) -> dict[str, tuple[float, bool, bool]]:
    """Return the calls of each server, whether it takes much memory, and whether much time."""
    least = min(run["processor"] for run in runs.values())
    return {
        server: (run["calls"], run["memory"] > 3, run["processor"] >= 3 * least)
        for server, run in runs.items()
    }


@pytest.mark.holds(
    "The same endpoint on four servers, measured",
    "All four call the remote service with the same client, httpx2.",
    "The app is Flask on WSGI and FastAPI on ASGI, so memory and processor time are those of a server with its framework.",
    "40 callers at once, then one caller alone.",
    "The remote service answers when all places are taken.",
    "Each server has as many places for calls that wait as it has threads or processes, and an event loop had a place for every caller.",
    "Without --preload, four processes took more than three times the memory of one, so take threads before processes for calls that wait.",
    "With one caller alone, no server used three times the processor time of another.",
    "Such a run says nothing of the places: each server has a place.",
    "The workers sync and gthread of gunicorn call a WSGI app in a thread, and the thread is the call's until it is answered.",
    "The data of the picture, and how it is drawn",
    "The picture is made from what these servers did.",
)
@pytest.mark.proves(f"{FOLDER}/servers.json")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/held.py"], indirect=True)
def test_each_server_has_its_places(
    snippet: ModuleType,
    runs: dict[str, dict[str, float]],
    pytestconfig: pytest.Config,
    record_property: Any,
) -> None:
    assert snippet.CALLERS == 40
    assert all(run["calls"] >= 1 for run in runs.values())
    assert "--preload" not in str(snippet.SERVERS)
    config = Config()
    assert config.worker_class_str == "sync"
    config.set("threads", 20)
    assert config.worker_class_str == "gthread"
    wanted = {}
    for server, (places, options) in snippet.SERVERS.items():
        app = SNIPPETS / FOLDER / f"{options[0].removesuffix(':app')}.py"
        loop = "--worker-class=asgi" in options
        imported = {name.partition(".")[0] for name in modules(ast.parse(app.read_text()))}
        told = imported - sys.stdlib_module_names
        assert told == {"httpx2", "fastapi" if loop else "flask"}
        numbers = [int(each) for each in re.findall(r"--(?:workers|threads)=(\d+)", str(options))]
        assert places == (snippet.CALLERS if loop else max([1, *numbers]))
        wanted[server] = places, "--workers=4" in options, False
    pictures.hold_data(
        f"{FOLDER}/servers", runs, shape, wanted, pytestconfig.option.update_examples
    )
    assert shape(runs) == wanted
    taken = all(runs[name]["calls"] == places for name, (places, _) in snippet.SERVERS.items())
    when = "when" if taken else "before"
    record_property("says", f"The remote service answers {when} all places are taken")


BLOCKS = """
import os
import httpx2
from fastapi import FastAPI
app = FastAPI()
limits = httpx2.Limits(max_connections=None)
client = httpx2.Client(base_url=os.environ["UPSTREAM_URL"], timeout=60, limits=limits)
@app.get("/price")
def price() -> str:
    return client.get("/whoami").text
"""


@pytest.mark.holds(
    "call a library that blocks, for few callers at once | WSGI, with a thread for each of them, or def on ASGI",
    "This app has no place for call 101: its client opens 100 connections, unless you give it other limits.",
    "FastAPI runs an endpoint without async in a thread, and has 40 of them in a process.",
)
@pytest.mark.proves(f"{FOLDER}/awaits.py")
@pytest.mark.parametrize(("app", "places"), [("awaits", 100), ("unlimited", 101), ("blocks", 40)])
def test_a_client_and_threads_have_limits_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str, places: int
) -> None:
    held = importlib.import_module("snippets.decide.servers.held")
    awaits = (SNIPPETS / FOLDER / "awaits.py").read_text()
    free = awaits.replace("timeout=20", "timeout=20, limits=httpx2.Limits(max_connections=None)")
    assert free != awaits
    for name, code in {"awaits": awaits, "unlimited": free, "blocks": BLOCKS}.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setattr(held, "FOLDER", tmp_path)

    async def most() -> int:
        remote = held.Held(places)
        callers = places + (app != "unlimited")
        async with held.serve(remote, [f"{app}:app", "--worker-class=asgi"]) as (_, client):
            limits = httpx2.Limits(max_connections=None)
            url = client.base_url
            async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as many:
                await held.ask(many, callers)
        return int(remote.most)

    assert asyncio.run(most()) == places


@pytest.mark.holds(
    "gunicorn kills such a worker when a call takes longer than --timeout, 30 s unless you set it, and the call gets no answer.",
)
@pytest.mark.proves(f"{FOLDER}/waits.py")
def test_a_worker_is_killed_that_waits_too_long(record_property: Any) -> None:
    record_property("figure", f"{Config().timeout} s")
    assert Config().timeout > 20  # the timeout of the page's clients
    killed = httpx2.HTTPStatusError, httpx2.RemoteProtocolError, httpx2.ReadError
    assert stalled("waits:app", "--timeout=2", ends=killed) == 1


@pytest.mark.holds(
    "httpx2 counts its timeout anew at each read, so an answer that drips takes longer than both: see Don't: limit the read alone.",
)
@pytest.mark.proves(f"{FOLDER}/waits.py")
def test_an_answer_that_drips_takes_longer_than_both_timeouts() -> None:
    (given,) = re.findall(r"timeout=(\d+)", (SNIPPETS / FOLDER / "waits.py").read_text())

    async def drip(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        for byte in b"4", b"2":
            await clock.passed(int(given) - 1)
            out.write(byte)
            await out.drain()
        out.close()

    async def taken() -> float:
        async with (
            await asyncio.start_server(drip, "127.0.0.1", 0) as remote,
            httpx2.AsyncClient(timeout=int(given)) as client,
        ):
            url = f"http://127.0.0.1:{remote.sockets[0].getsockname()[1]}"
            assert (await client.get(url)).text == "42"
            return clock.now()

    assert clock.run(taken()) > Config().timeout > int(given)


@pytest.mark.holds(
    "Name the places that you expect: while fewer are there, nothing is answered, and the run ends with an error.",
    "It is HTTPStatusError where the app gives up, as these do after 20 s, or else ReadTimeout after 60 s.",
)
@pytest.mark.proves(f"{FOLDER}/held.py")
def test_a_run_with_too_few_places_ends(tmp_path: Path, record_property: Any) -> None:
    code = {name: (SNIPPETS / FOLDER / f"{name}.py").read_text() for name in ("waits", "awaits")}
    held = (SNIPPETS / FOLDER / "held.py").read_text()
    (asks,) = re.findall(r"AsyncClient\(base_url=url, timeout=(\d+)\)", held)
    gives = {re.findall(r"timeout=(\d+)", text)[0] for text in code.values()}
    assert len(gives) == 1 and int(*gives) < int(asks)
    for seconds in asks, *gives:
        record_property("figure", f"{seconds} s")
    (tmp_path / "hasty.py").write_text(code["waits"].replace("timeout=20", "timeout=1"))
    stalled(f"--chdir={tmp_path}", "hasty:app", calls=2, ends=httpx2.HTTPStatusError)
    assert stalled("waits:app", calls=2, patience=3, ends=httpx2.ReadTimeout) == 1


def stalled(
    *options: str,
    calls: int = 1,
    patience: float = 60,
    ends: type[Exception] | tuple[type[Exception], ...],
) -> int:
    """Let calls wait for the only place until somebody gives up; return how many waited."""
    held = importlib.import_module("snippets.decide.servers.held")

    async def wait() -> int:
        remote = held.Held(2)  # the only place holds one call, so nothing is answered
        async with held.serve(remote, [*options, "--preload"]) as (_, client):
            remote.full.set()
            await held.ask(client)
            remote.full.clear()
            client.timeout = patience
            with pytest.raises(ends):
                await held.ask(client, calls)
            remote.full.set()
        return int(remote.most)

    return asyncio.run(wait())


@pytest.mark.holds(
    "A process takes in more calls than it has threads, so a call can stand in line there while another process is idle.",
)
@pytest.mark.proves(f"{FOLDER}/held.py")
def test_a_process_takes_in_more_than_its_threads() -> None:
    held = importlib.import_module("snippets.decide.servers.held")

    async def taken() -> None:
        remote = held.Held(2)
        remote.expected = 0  # no call is answered
        options = ["waits:app", "--threads=2"]
        async with held.serve(remote, options) as (pid, client), asyncio.TaskGroup() as group:
            group.create_task(held.ask(client, 6))
            port, there = client.base_url.port, 0
            while there <= 2:
                await asyncio.sleep(0.05)  # until it took them in
                workers = psutil.Process(pid).children()
                found = [each for one in workers for each in one.net_connections()]
                here = [each for each in found if each.status == psutil.CONN_ESTABLISHED]
                there = sum(each.laddr.port == port for each in here)
            assert remote.most <= 2
            remote.full.set()

    asyncio.run(asyncio.wait_for(taken(), 60))


@pytest.mark.holds(
    "Calls that wait at once, memory and processor time of four servers",
    "Calls that wait at once, of 40: WSGI, 1 thread 1, WSGI, 4 processes 4, WSGI, 20 threads 20, ASGI, 1 process 40.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    told = json.loads((SNIPPETS / FOLDER / "servers.json").read_text())
    record_property("figure", {4: "four servers"}[len(told)])
    held = importlib.import_module("snippets.decide.servers.held")
    assert list(told) == list(held.SERVERS)
    for server, run in told.items():
        record_property("figure", re.findall(r"\d+ [a-z]+", server)[0])
        record_property("figure", f"{run['calls']:g}")
    pictures.hold_picture(f"{FOLDER}/servers", snippet.draw, pytestconfig.option.update_examples)
    run = {"calls": 2.0, "memory": 1.0, "processor": 1.0}
    drawn = snippet.draw({"one": run, "two": {**run, "calls": 1.0}})
    assert drawn.count('width="100"') == 1
    assert drawn.count('width="200"') == 5


@pytest.mark.holds(
    "The service runs on gunicorn with a worker for ASGI, as snippets/service/gunicorn.conf.py says.",
)
def test_the_service_runs_on_gunicorn() -> None:
    told = (SNIPPETS / "service/gunicorn.conf.py").read_text()
    assert 'worker_class = "uvicorn_worker.UvicornWorker"' in told
