"""What the page on shutdown claims: a signal with a request and a stream in flight."""

import asyncio
import contextlib
import importlib
import inspect
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx2
import pytest
import uvicorn
import yaml
from fastapi.testclient import TestClient

from snippets.deploy.shutdown import checked
from tests.engine.pages import ROOT, SNIPPETS
from tests.parts import clock, pictures, started
from tests.parts.server import beside, free_port
from tests.parts.service import SERVICE
from tests.prove.twins import dont

FOLDER = "deploy/shutdown"
STREAM = "/orders/events"
PAYMENT = "/orders/7/payment"
WORKER = "tests/survival/test_worker.py"
CONFIG = uvicorn.Config
Holds = Callable[[], None]
# The first process of a container ignores a signal without a handler, as this one does.
FIRST = "sh", "-c", 'trap "" TERM; exec "$0" "$@"'
UVICORN = "--worker-class=uvicorn_worker.UvicornWorker"
# It answers once it may, so that a connection is open for as long as a test needs it.
HELD = """
import asyncio, pathlib
from drained import app

@app.get("/held")
async def held():
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists(): await asyncio.sleep(0.01)
"""
# It tells itself to end in a `def` endpoint, which then waits for its process to end.
BLOCKS = """
import asyncio, contextlib, os, signal, sys, threading, urllib.request
from snippets.deploy.shutdown import hurried
from uvicorn import Server

def ask():
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/blocks")

@hurried.app.get("/blocks")
def blocks():
    os.kill(os.getpid(), signal.SIGTERM)
    threading.main_thread().join()
    print("it went on", flush=True)

Server._log_started_message = lambda *_: threading.Thread(target=ask, daemon=True).start()
asyncio.run(hurried.serve(int(sys.argv[1])))
"""
# It tells itself to end once it serves.
ENDS = """
import asyncio, atexit, os, signal, sys
from snippets.deploy.shutdown import drained
from uvicorn import Server

Server._log_started_message = lambda server, _: os.kill(os.getpid(), signal.SIGTERM)
atexit.register(print, "atexit")

class Steps(list):
    def append(self, step):
        if step != "the pool is open": print(step, flush=True)

drained.steps = Steps()
asyncio.run(drained.serve(int(sys.argv[1])))
"""


INSTRUCTIONS = [
    "Let the server handle SIGTERM, tell your streams from the same handler, and nest each limit in the next one.",
    "If you don't know which handler you need, install none: uvicorn answers open requests by itself.",
    "Install fastapi and uvicorn.",
    "Write out logs and traces in the lifespan.",
    "Do: tell a stream that it must end",
    "Don't install a handler before the server",
    "Don't replace the server's handler",
    "Start in the lifespan what requests share, and close it behind the yield.",
    "Let the platform leave out a process before it sends SIGTERM, and wait until its proxies know.",
    "Give a stream a last event, and let its reader connect again.",
    "Read in Hand work to a worker and lose nothing how the mail of a killed worker comes again.",
    "Install httpx2, start your server, and call this with the address of a stream and the process's id:",
]


@pytest.fixture(autouse=True)
def guard() -> Iterator[list[int]]:
    """The signals that came back when a server had ended; nothing else ends this process."""
    came = list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


class Noted(uvicorn.Server):
    """A server that can be ended whatever its block does."""

    last: "Noted"

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        Noted.last = self


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server of a block is noted."""
    monkeypatch.setattr(uvicorn, "Server", Noted)


async def opened(port: int) -> None:
    """Return once a server listens."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await clock.passed(0.1)


async def served(
    module: ModuleType, ask: Callable[[str], Coroutine[Any, Any, Any]]
) -> tuple[Any, bool, float]:
    """Serve a block while something asks it; return its answer, whether it ended, and when."""
    port = free_port()
    serving = asyncio.create_task(module.serve(port))
    try:
        await opened(port)
        answer = await ask(f"http://127.0.0.1:{port}")
        await asyncio.wait([serving], timeout=60)
        return answer, serving.done(), clock.now()
    finally:
        Noted.last.should_exit = True
        await serving


async def pay(url: str) -> tuple[int, str]:
    """Pay while the server is told to stop; return the status, and what a new connection met."""
    async with httpx2.AsyncClient(timeout=60) as client:
        answer = asyncio.create_task(client.post(url + PAYMENT))
        await clock.passed(1)
        os.kill(os.getpid(), signal.SIGTERM)
        await clock.passed(1)
        try:
            await asyncio.open_connection("127.0.0.1", httpx2.URL(url).port)
        except ConnectionRefusedError:
            return (await answer).status_code, "refused"
        return (await answer).status_code, "taken"


@pytest.mark.holds(
    "Stop without losing a request",
    "Look for errors in the minute of each deployment, and in no other.",
    "Look at timeout_graceful_shutdown, and at what the lifespan does after its yield.",
    "SIGTERM comes while the bank takes its 5 seconds:",
    "The open request is answered with 200.",
    "The lifespan goes on behind its yield, and closes the pool.",
    "Don't set a limit below your slowest request",
    "The bank has the call, and nobody stores the payment: the result is unknown.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/drained.py", dont(f"{FOLDER}/hurried.py", "the client gets 500")],
    indirect=True,
)
def test_an_open_request_is_answered(
    snippet: ModuleType, guard: list[int], record_property: Any
) -> None:
    (status, met), done, seconds = clock.run(served(snippet, pay))
    assert (met, done, guard) == ("refused", True, [signal.SIGTERM])
    paid = "order 7 is paid" in snippet.steps
    assert paid == (status == 200), "nobody stores the payment"
    assert status == 200, f"the client gets {status}"
    assert snippet.steps == ["the pool is open", "order 7 is paid", "the pool is closed"]
    record_property("figure", f"{seconds:.0f} seconds")


async def idle_one(app: Any) -> tuple[bytes, bool, int]:
    """Return what an idle connection gets at a stop, whether a request goes on, and its status."""
    async with (
        beside(app, timeout_graceful_shutdown=20) as server,
        httpx2.AsyncClient(timeout=60) as client,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx2.URL(server.url).port)
        ask = b"GET /absent HTTP/1.1\r\nHost: a\r\n\r\n"
        writer.write(ask)
        assert (await reader.read(4096)).startswith(b"HTTP/1.1 404 ")
        answer = asyncio.create_task(client.post(server.url + PAYMENT))
        await clock.passed(1)
        server.end()
        await clock.passed(1)
        writer.write(ask)  # it was on its way
        said = b""
        with contextlib.suppress(ConnectionError):
            said = await reader.read()
        writer.close()
        return said, not answer.done(), (await answer).status_code


@pytest.mark.holds(
    "uvicorn refuses each new connection, and closes each idle one: a request that is on its way over it is lost.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/drained.py"], indirect=True)
def test_an_idle_connection_is_closed(snippet: ModuleType) -> None:
    assert clock.run(idle_one(snippet.app)) == (b"", True, 200)
    (_, met), _, _ = clock.run(served(snippet, pay))
    assert met == "refused"


@pytest.mark.holds(
    "To stop such a server from its own code, set should_exit = True on uvicorn.Server.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/drained.py"], indirect=True)
def test_a_server_stops_from_its_own_code(snippet: ModuleType) -> None:
    async def stop() -> int:
        async with (
            beside(snippet.app, timeout_graceful_shutdown=20) as server,
            httpx2.AsyncClient(timeout=60) as client,
        ):
            answer = asyncio.create_task(client.post(server.url + PAYMENT))
            await clock.passed(1)
            server.uvicorn.should_exit = True
            await server.served
            return (await answer).status_code

    assert clock.run(stop()) == 200


async def cancelled(app: Any) -> bool:
    """Tell whether a request is over when a server has ended whose limit of 3 seconds it passed."""
    over, begun = list[bool](), list[bool]()
    cleaned = asyncio.Event()

    async def clean_up() -> None:
        try:
            begun.append(True)
            await asyncio.sleep(60)  # of the clock that the test sets
        finally:
            await cleaned.wait()
            over.append(True)

    app.add_api_route("/finally", clean_up)
    async with httpx2.AsyncClient(timeout=None) as client:
        async with beside(app, timeout_graceful_shutdown=3) as server:
            answer = asyncio.create_task(client.get(f"{server.url}/finally"))
            await clock.until(lambda: begun)
            server.end()
            await server.served
            found = bool(over)
        cleaned.set()
        await clock.until(lambda: over)  # it goes on, as this process does
        await asyncio.gather(answer, return_exceptions=True)
    return found


@pytest.mark.holds(
    "At the limit, uvicorn cancels its requests, and closes down without waiting for them.",
    "A finally that awaits may not finish.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/hurried.py"], indirect=True)
def test_what_is_cancelled_is_not_waited_for(snippet: ModuleType) -> None:
    assert "timeout_graceful_shutdown=3" in inspect.getsource(snippet.serve)
    assert not clock.run(cancelled(snippet.app))


def ends(*before: str, script: str = ENDS) -> tuple[int, str]:
    """Return the status of a process that a signal ends, and what it printed."""
    command = [*before, sys.executable, "-c", script, str(free_port())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.holds(
    "The process ends by the signal: its status is 143, and what atexit was given doesn't run.",
    "As the first process of a container, under gunicorn, and with --workers, a server ends with status 0.",
)
@pytest.mark.proves(f"{FOLDER}/drained.py")
def test_the_process_ends_by_the_signal(record_property: Any) -> None:
    status, ran = ends()
    assert (status, ran) == (-signal.SIGTERM, "the pool is closed\n")
    record_property("figure", f"{128 + signal.SIGTERM}")
    assert ends(*FIRST) == (0, f"{ran}atexit\n")


@pytest.mark.holds(
    "No limit of uvicorn ends a def endpoint: as the first process of a container, the server waits for it.",
)
@pytest.mark.proves(f"{FOLDER}/hurried.py")
def test_a_process_waits_for_a_def_endpoint() -> None:
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(lambda before: ends(*before, script=BLOCKS), [(), FIRST])
        (ordinary, cut), (first, waited) = told
    assert (ordinary, first) == (-signal.SIGTERM, 0)
    assert ("it went on" in cut, "it went on" in waited) == (False, True)


@pytest.mark.holds(
    "With --workers=2, uvicorn's parent keeps the port open: a new connection is accepted, and reset at the end.",
    "As the first process of a container, under gunicorn, and with --workers, a server ends with status 0.",
)
@pytest.mark.parametrize(
    ("command", "met"),
    [
        ("uvicorn held:app --host=$HOST --port=$PORT --workers=2", "reset"),
        (f"gunicorn held:app --bind=$HOST:$PORT --workers=2 {UVICORN}", "refused"),
    ],
)
@pytest.mark.proves(f"{FOLDER}/drained.py")
def test_what_a_new_connection_meets(tmp_path: Path, command: str, met: str) -> None:
    (tmp_path / "held.py").write_text(HELD)
    (tmp_path / "drained.py").write_text((SNIPPETS / FOLDER / "drained.py").read_text())
    with started.serving(command, tmp_path) as server:
        clock.wait(lambda: server.said().count("Application startup complete") == 2)
        with connected(server) as open_one:
            clock.wait((tmp_path / "begun").exists)
            os.kill(server.pid(), signal.SIGTERM)
            clock.wait(lambda: "Finished server process" in server.said())
            clock.wait(lambda: "Waiting for connections to close" in server.said())
            try:
                with connected(server) as late:
                    (tmp_path / "go").touch()
                    assert open_one.recv(4096).startswith(b"HTTP/1.1 200 OK")
                    with pytest.raises(ConnectionResetError):
                        late.recv(4096)
                found = "reset"
            except ConnectionRefusedError:
                (tmp_path / "go").touch()
                assert open_one.recv(4096).startswith(b"HTTP/1.1 200 OK")
                found = "refused"
        assert server.ended() == 0
    assert found == met


def connected(server: started.Served) -> socket.socket:
    """Return a connection to a server, which asks."""
    connection = socket.create_connection((started.LOOPBACK, server.port))
    connection.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
    return connection


async def check(url: str) -> None:
    """Run the page's check on this process."""
    await checked.check(url + STREAM, os.getpid())


@pytest.mark.holds(
    "The reader gets a last event, and its stream ends in order.",
    "The lifespan uses it:",
    "Look at stop: it tells the stream, and then raises the signal again, for the handler of uvicorn, which was there before.",
    "serve() replaces the handlers that it finds, and gives the signal back when the server has ended.",
    "So this handler runs after all is over, and the stream is cut at the limit.",
    "The stream ends, and uvicorn never hears of the signal: it takes requests until the platform kills it.",
    "told.py is green, and early.py and replaced.py are red, as is a stream that stays open for a minute.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/told.py",
        dont(f"{FOLDER}/early.py", "peer closed", error=httpx2.RemoteProtocolError),
        dont(f"{FOLDER}/replaced.py", "takes requests 10 seconds after SIGTERM"),
    ],
    indirect=True,
)
def test_a_stream_is_told_to_end(snippet: ModuleType, guard: list[int]) -> None:
    _, done, _ = clock.run(served(snippet, check))
    assert (done, guard) == (True, [signal.SIGTERM])


LIMITS = r"range\((\d+)\)", r"sleep\(([\d.]+)\)", r"requests (\d+) s", r"\.timeout\((\d+)\)"


@pytest.mark.holds(
    "told.py is green, and early.py and replaced.py are red, as is a stream that stays open for a minute.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_the_check_tells_them_apart(snippet: ModuleType, record_property: Any) -> None:
    found = dict[str, str]()

    async def verdict(url: str) -> str:
        try:
            await snippet.check(url + STREAM, os.getpid())
        except (httpx2.RemoteProtocolError, AssertionError):
            return "red"
        return "green"

    for name in "told.py", "early.py", "replaced.py":
        found[name] = clock.run(served(planted(name), verdict))[0]
    assert found == {"told.py": "green", "early.py": "red", "replaced.py": "red"}
    told = Path(str(snippet.__file__)).read_text()
    times, pause, late, most = (float(re.findall(each, told)[0]) for each in LIMITS)
    assert times * pause == late
    record_property("says", f"stays open for {'a minute' if most == 60 else most}")


def planted(name: str, old: str = "", new: str = "") -> Any:
    """Run a block, with one of its texts replaced by another; return what it defines."""
    text = (SNIPPETS / FOLDER / name).read_text()
    assert not old or text.count(old) == 1, old
    text = text.replace(old, new)
    module = ModuleType(name)
    exec(compile(text, name, "exec"), vars(module))  # noqa: S102  it is the block
    return module


@pytest.mark.holds(
    "signal.signal() with a function that doesn't call the handler before it does the same.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/replaced.py"], indirect=True)
def test_a_handler_calls_the_one_before_it(snippet: ModuleType) -> None:
    module = planted("told.py", "signal.raise_signal(number)", "pass")
    for replacing in snippet, module:
        with pytest.raises(AssertionError, match="takes requests"):
            clock.run(served(replacing, check))


async def idle(url: str) -> None:
    """Send SIGTERM to a server that has answered, and has nothing left to do."""
    async with httpx2.AsyncClient(timeout=60) as client:
        await client.post(url + PAYMENT)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.holds(
    "A test that stops an idle server is green.",
    "A test that sends SIGTERM without a stream is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/hurried.py", f"{FOLDER}/early.py"], indirect=True)
def test_an_idle_server_stops(snippet: ModuleType) -> None:
    assert clock.run(served(snippet, idle))[1]


async def waits(url: str) -> bool:
    """Tell whether the page's check gives up a stream that stays open."""
    with contextlib.suppress(TimeoutError):
        await check(url)
        return False
    return True


@pytest.mark.holds(
    "Or the platform kills each old process, since a stream keeps it from ending.",
    "told.py is green, and early.py and replaced.py are red, as is a stream that stays open for a minute.",
    "uvicorn waits for its streams before the lifespan goes on, so a lifespan that would end them comes too late.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/told.py"], indirect=True)
def test_the_lifespan_goes_on_after_the_streams(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        snippet.stopping.set()

    def config(*args: Any, timeout_graceful_shutdown: int, **options: Any) -> uvicorn.Config:
        return CONFIG(*args, **options)

    snippet.app.router.lifespan_context = lifespan
    monkeypatch.setattr(uvicorn, "Config", config)
    assert clock.run(served(snippet, waits))[0]


async def both(url: str) -> dict[str, float]:
    """Return after how many seconds a stream and a payment ended that SIGTERM met."""
    ends, begun = dict[str, float](), asyncio.get_running_loop().create_future()

    async def stream(client: httpx2.AsyncClient) -> None:
        with contextlib.suppress(httpx2.RemoteProtocolError):
            async with client.stream("GET", url + STREAM) as answer:
                lines = answer.aiter_lines()
                await anext(lines)
                begun.set_result(None)
                async for _ in lines:
                    pass
        ends["stream"] = clock.now()

    async with httpx2.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
        group.create_task(stream(client))
        await begun
        answer = group.create_task(client.post(url + PAYMENT))
        await clock.passed(0.01)
        ends["signal"] = clock.now()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await answer).status_code == 200
        ends["request"] = clock.now()
    return ends


def ended(name: str) -> dict[str, int]:
    """Return how many seconds after SIGTERM the parts of a block ended, with a payment in it."""
    module = planted(name)
    module.app.include_router(planted("drained.py").app.router)
    times, done, last = clock.run(served(module, both))
    assert done
    times["server"] = last
    return {part: round(times[part] - times["signal"]) for part in ("request", "stream", "server")}


@pytest.mark.holds(
    "When each part ends",
    "A stream, and a request that takes 5 seconds, on a clock that jumps from event to event.",
    "The request ends in time in both.",
    "The stream of early.py keeps the server for 20 seconds, its whole limit.",
)
@pytest.mark.proves(f"{FOLDER}/shutdown.json")
def test_each_part_ends(pytestconfig: pytest.Config, record_property: Any) -> None:
    found = {name: ended(name) for name in ("told.py", "early.py")}
    assert found["told.py"] == {"request": 5, "stream": 0, "server": 5}
    assert found["early.py"] == {"request": 5, "stream": 20, "server": 20}
    updating = pytestconfig.option.update_examples
    pictures.hold_data(f"{FOLDER}/shutdown", found, dict, found, updating)
    for run in found.values():
        record_property("figure", f"{run['server']} seconds")


@pytest.mark.holds(
    "When a stream, a request and a server end after SIGTERM",
    "Seconds. told.py: request 5, stream 0, server 5. early.py: request 5, stream 20, server 20.",
    "The data of the picture, and how it is drawn",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    told = json.loads((SNIPPETS / FOLDER / "shutdown.json").read_text())
    pictures.hold_picture(f"{FOLDER}/shutdown", snippet.draw, pytestconfig.option.update_examples)
    for run in told.values():
        for part, seconds in run.items():
            record_property("figure", f"{part} {seconds}")
            record_property("figure", f"{seconds}")
    drawn = snippet.draw({"one": {"request": 1}, "two": {"request": 4}})
    assert (drawn.count('width="50"'), drawn.count('width="200"')) == (1, 1)


@pytest.mark.holds("The lifespan of the service runs with on_stop(feed.close):.")
@pytest.mark.service("tests/survival/test_shutdown.py::test_a_request_ends_and_a_stream_is_ended")
def test_the_service_uses_it(service: Holds) -> None:
    service()
    assert (
        "    with on_stop(feed.close):\n        yield\n"
        in (SERVICE / "src/accounts/main.py").read_text()
    )


@pytest.mark.holds(
    "The lifespan uses it:",
)
@pytest.mark.service(
    "tests/test_shutdown.py::test_both_are_called_the_app_and_the_server",
    "tests/test_shutdown.py::test_what_was_ignored_stays_ignored",
    "tests/test_shutdown.py::test_a_thread_leaves_the_signals_alone",
)
@pytest.mark.proves("service/src/accounts/shutdown.py")
def test_the_block_is_that_of_the_service(service: Holds) -> None:
    service()
    block = (SNIPPETS / FOLDER / "told.py").read_text()
    told = (SERVICE / "src/accounts/shutdown.py").read_text()
    begun = block.index("SIGNALS = signal.SIGTERM, signal.SIGINT\n")
    shown = told.partition("[start:on_stop]\n")[2].partition("\n\n# --8<--")[0]
    assert block[begun:].partition("\n\n\n")[2].startswith(shown)


@pytest.mark.holds(
    "Under TestClient, an app runs in a thread, which can't handle a signal: the first lines let it alone.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/told.py"], indirect=True)
def test_a_thread_leaves_the_signals_alone(snippet: ModuleType) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with TestClient(snippet.app):
        assert signal.getsignal(signal.SIGTERM) is before
    guarded = "if threading.current_thread() is not threading.main_thread():"
    with (
        pytest.raises(ValueError, match="signal only works in main thread"),
        TestClient(planted("told.py", guarded, "if False:").app),
    ):
        pass


@pytest.mark.holds(
    "Nest the limits",
    "Each limit is longer than the one inside it:",
    "What ends | The service's limit | It stands in",
    "uvicorn cancels what still runs | 20 seconds after SIGTERM | gunicorn.conf.py, below",
    "gunicorn kills its worker | 21 seconds, graceful_timeout | gunicorn.conf.py",
    "the platform kills the container | 50 seconds, stop_grace_period | compose.yaml",
)
@pytest.mark.service(
    "tests/test_gunicorn.py::test_a_request_is_cancelled_before_its_process_is_killed"
)
@pytest.mark.proves("service/gunicorn.conf.py")
def test_each_limit_is_in_the_next(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / "gunicorn.conf.py").read_text()
    (worker,) = map(int, re.findall(r"^graceful_timeout = (\d+)", told, re.MULTILINE))
    assert "timeout_graceful_shutdown = worker.cfg.graceful_timeout - 1\n" in told
    compose = yaml.safe_load((SERVICE / "compose.yaml").read_text())
    platform = int(compose["x-service"]["stop_grace_period"].removesuffix("s"))
    assert worker - 1 < worker < platform
    for limit in (worker - 1, worker, platform):
        record_property("figure", f"{limit} seconds")


@pytest.mark.holds(
    "gunicorn has no setting for uvicorn's limit, so this function sets it; CONFIG_KWARGS of a subclass of its worker takes it too.",
)
@pytest.mark.proves("service/gunicorn.conf.py")
def test_gunicorn_has_no_setting_for_the_limit() -> None:
    worker: Any = importlib.import_module("uvicorn_worker").UvicornWorker
    kind = type("Worker", (worker,), {"CONFIG_KWARGS": {"timeout_graceful_shutdown": 20}})
    settings = importlib.import_module("gunicorn.config").Config()
    settings.set("graceful_timeout", 21)
    log = SimpleNamespace(error_log=logging.getLogger("a"), access_log=logging.getLogger("b"))
    made = [one(0, 0, [], SimpleNamespace(), 15.0, settings, log) for one in (worker, kind)]
    for one in made:
        one.tmp.close()
    assert [one.config.timeout_graceful_shutdown for one in made] == [None, 20]


@pytest.mark.holds(
    "No limit of uvicorn ends the lifespan: after requests that take the whole limit, 1 second is left for it here.",
)
@pytest.mark.proves("service/gunicorn.conf.py")
def test_the_lifespan_takes_its_time(record_property: Any) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await asyncio.sleep(100)  # of the clock that the test sets

    async def end() -> float:
        app = planted("drained.py").app
        app.router.lifespan_context = lifespan
        async with beside(app, timeout_graceful_shutdown=3) as server:
            server.end()
            await server.served
            return clock.now()

    assert clock.run(end()) > 100
    told = (SERVICE / "gunicorn.conf.py").read_text()
    (less,) = re.findall(r"worker\.cfg\.graceful_timeout - (\d+)", told)
    record_property("figure", f"{less} second")


@pytest.mark.holds(
    "A worker finishes its job",
    "At SIGTERM, the worker of the service takes no new job, and finishes the mail that it sends.",
    "It may hold a mail for 45 seconds, so the platform waits for 50.",
)
@pytest.mark.service(
    f"{WORKER}::test_a_worker_that_is_told_to_stop_finishes_its_mail",
    f"{WORKER}::test_a_killed_worker_loses_nothing",
)
@pytest.mark.proves("service/gunicorn.conf.py")
def test_a_worker_finishes_its_job(service: Holds, record_property: Any) -> None:
    service()
    config = (SERVICE / "src/accounts/config.py").read_text()
    (mail,) = re.findall(r"mail_timeout: float = Field\(default=(\d+)\.0", config)
    assert "return self.mail_timeout * 1.5\n" in config
    held = int(mail) * 3 // 2
    compose = yaml.safe_load((SERVICE / "compose.yaml").read_text())
    waits = int(compose["x-service"]["stop_grace_period"].removesuffix("s"))
    assert held < waits
    record_property("figure", f"{held} seconds")
    record_property("figure", f"{waits}")
