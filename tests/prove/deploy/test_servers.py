"""What the page on servers claims."""

import asyncio
import contextlib
import importlib
import inspect
import json
import logging
import os
import re
import runpy
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx2
import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from uvicorn.supervisors.multiprocess import Process

from snippets.decide.servers.held import Held
from snippets.deploy.servers.invoices import app as invoices
from snippets.deploy.servers.load import app as load
from snippets.deploy.servers.orders import app as orders
from tests.engine.pages import DOCS, SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run as Proof
from tests.parts import clock, pictures
from tests.parts.server import asked, beside, listener
from tests.parts.service import SERVICE
from tests.parts.started import BIN, CONTAINER, LOOPBACK, Served, serving
from tests.prove.twins import dont

FOLDER = "deploy/servers"
HERE = SNIPPETS / FOLDER
PAGE = DOCS / f"{FOLDER}.md"
COMMANDS = ["uvicorn", "uvicorn_workers", "gunicorn", "asgi", "wsgi"]
Holds = Callable[[], None]
CONFIG = importlib.import_module("gunicorn.config")
ODD = """
import asyncio, time
from orders import app

@app.get("/blocks")
async def blocks(): time.sleep(60)

@app.get("/awaits")
async def awaits(): await asyncio.sleep(3)
"""
FROZEN = "import ctypes; ctypes.PyDLL(None).sleep(60)"  # it leaves no other thread its turn
BUSY = """
import os, httpx2
from orders import app

@app.get("/calculate")
async def calculate(): httpx2.get(os.environ["UPSTREAM_URL"], timeout=None)

@app.get("/wait")
async def wait():
    async with httpx2.AsyncClient(timeout=None) as client: await client.get(os.environ["UPSTREAM_URL"])
"""
CALLS = 5
MOST = 4
APPS = "[1,2]", "[1,2]\n"


INSTRUCTIONS = [
    "Start the service with the right server and limits",
    "Name the app, the worker class and the address in the command, and ask the server over HTTP before you rely on it.",
    "Install fastapi, uvicorn, gunicorn and uvicorn-worker, and save this app:",
    "Take one of these commands, with HOST and PORT in the environment; in the last two, gunicorn manages the processes:",
    "Do: serve a WSGI app with threads",
    "Install flask too:",
    "Do: keep the options in a file",
    "Run gunicorn --config=served.py with this file:",
    "Don't leave out the worker class",
    "Take uvicorn_worker.UvicornWorker, from the package uvicorn-worker.",
    "Don't name an app that isn't there",
    "Install the code as a package, and name it by the package.",
    "Don't listen on loopback in a container",
    "Give each processor one process: a second one adds memory, and the two share the processor.",
    "Add none for calls that only wait: see Choose a server by what your endpoints wait for.",
    "Measure the curve of your own app",
    "Install gunicorn and httpx2, and measure where nothing else runs:",
    "Name your app and its paths as the first line does, and take no more processes than where the curve gets flat.",
    "Read the address and the number of processes from the environment, and give each limit its reason, as the service does:",
    "Install httpx2 and pytest, and put your own command into this test, which asks the server over HTTP:",
]


@dataclass
class Run:
    """What a command line did: its answer, its processes, and its end."""

    status: int
    processes: int
    end: int


def command(name: str) -> str:
    """Return a command line of the page."""
    return (HERE / f"{name}.sh").read_text()


def run(name: str) -> Run:
    """Start a command line, ask it, and tell it to end."""
    line = command(name)
    wanted = int(next(iter(re.findall(r"--workers=(\d+)", line)), "1"))
    with serving(line, HERE) as served:
        status = served.get("/invoices" if "invoices:app" in line else "/orders")
        clock.wait(lambda: len(served.processes()) >= wanted)
        os.kill(served.pid(), signal.SIGTERM)
        return Run(status, len(served.processes()), served.ended())


@pytest.fixture(scope="module")
def runs(pytestconfig: pytest.Config) -> dict[str, Run]:
    """What each command line of the page did, all at once."""
    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        found = dict(zip(COMMANDS, pool.map(run, COMMANDS), strict=True))
    for name in COMMANDS:
        pytestconfig.stash[STATE].runs[f"{FOLDER}/{name}.sh"] = Proof()  # its one run
    return found


@pytest.mark.holds(
    "Without --workers and WEB_CONCURRENCY, uvicorn runs one process; each command with --workers=2 runs two that serve.",
    "Each answers /orders with 200, and ends by itself after SIGTERM.",
)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.proves(f"{FOLDER}/{name}.sh")) for name in COMMANDS],
)
def test_each_command_serves_and_ends(runs: dict[str, Run], name: str) -> None:
    assert runs[name].status == 200
    assert (
        asked(orders, "GET /orders")[0][2],
        invoices.test_client().get("/invoices").text,
    ) == APPS
    assert runs[name].processes == (1 if name == "uvicorn" else 2)
    assert runs[name].end == (128 + signal.SIGTERM if name == "uvicorn" else 0)
    shown = set(re.findall(rf'title="{FOLDER}/(\w+)\.sh"', PAGE.read_text()))
    assert shown == set(COMMANDS)


@pytest.mark.holds(
    "Without --workers and WEB_CONCURRENCY, uvicorn runs one process; each command with --workers=2 runs two that serve.",
    "Where you name no number, uvicorn and gunicorn read it from WEB_CONCURRENCY.",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn.sh")
def test_the_number_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    told = runpy.run_path(str(CONFIG.__file__))["Workers"].default
    assert (uvicorn.Config("orders:app").workers, told) == (7, 7)
    monkeypatch.delenv("WEB_CONCURRENCY")
    assert uvicorn.Config("orders:app").workers == 1
    assert "--workers" not in command("uvicorn")


async def endless(limit: int | None) -> bool:
    """Tell whether a server ends within two minutes of being told to, with a stream open."""
    app = FastAPI()

    @app.get("/orders/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[str]:
        while True:
            yield "open"
            await asyncio.sleep(15)  # of the clock that the test sets

    async with (
        beside(app, timeout_graceful_shutdown=limit) as server,
        httpx2.AsyncClient(timeout=60) as client,
        client.stream("GET", f"{server.url}/orders/events") as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        server.end()
        await asyncio.wait([server.served], timeout=120)
        return server.served.done()


@pytest.mark.holds(
    "Without --timeout-graceful-shutdown=20, uvicorn waits for an open stream however long it takes.",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn.sh")
def test_an_open_stream_is_waited_for(record_property: Any) -> None:
    option = "--timeout-graceful-shutdown=20"
    assert option in command("uvicorn")
    ended = [clock.run(endless(limit)) for limit in (20, None)]
    assert ended == [True, False]
    how = "Without" if ended[0] else "With"
    record_property("says", f"{how} {option}, uvicorn waits for an open stream")
    assert uvicorn.Config("orders:app").timeout_graceful_shutdown is None


def answered(served: Served) -> str:
    """Return what a client of the container sees, or why it sees nothing."""
    try:
        status = served.get(host=CONTAINER)
    except httpx2.TransportError:
        with contextlib.suppress(httpx2.ConnectError):  # it ended, and all is said
            return f"each client is refused, and loopback answers {served.get()}"
        if lost := re.search(r"(No module named .*)(?s:.*)Worker failed to boot", served.said()):
            return f"no process starts, {lost[1]}"
        return "it neither serves nor tells why"
    said = re.findall(r"^(TypeError: .*)", served.said(), re.MULTILINE)
    return f"the answer is {status}" + "".join(f", {line}" for line in said)


@pytest.mark.holds(
    'The log says "Worker failed to boot", or the server starts and each answer is 500.',
    "Or all is well on your laptop, and nobody reaches the container.",
    "gunicorn's default worker calls the app as WSGI: it starts without an error, and each request is answered 500.",
    "The server answers on its own loopback, so a check inside the container is green, and each client outside is refused.",
    'After an error at import, gunicorn says "Worker failed to boot": the traceback above it tells the reason.',
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/served.py",
        dont(f"{FOLDER}/sync.py", "the answer is 500, TypeError: FastAPI.__call__"),
        dont(f"{FOLDER}/unpackaged.py", "no process starts, No module named 'app'"),
        dont(f"{FOLDER}/nowhere.py", "each client is refused, and loopback answers 200"),
    ],
    indirect=True,
)
def test_a_client_of_the_container_is_answered(snippet: ModuleType) -> None:
    file = Path(str(snippet.__file__))
    with serving(f"gunicorn --config={file.name}", HERE, HOST=CONTAINER) as served:
        seen = answered(served)
    assert seen == "the answer is 200", seen


@pytest.mark.holds(
    "With uvicorn invoices:app, a WSGI app starts and fails in the same way.",
)
@pytest.mark.proves(f"{FOLDER}/sync.py")
def test_a_wsgi_app_fails_on_uvicorn() -> None:
    line = command("uvicorn").replace("orders:app", "invoices:app")
    assert line.startswith("uvicorn invoices:app")
    with serving(line, HERE) as served:
        assert served.get("/invoices") == 500


@pytest.mark.holds(
    "With one process, uvicorn app:app ends with status 3.",
    'With --workers=2, it says "Uvicorn running on" and then ends with status 0, which a supervisor takes for success.',
    "orders:app has the same fault when you start it from another folder.",
)
@pytest.mark.proves(f"{FOLDER}/unpackaged.py")
def test_an_app_that_is_not_there(tmp_path: Path, record_property: Any) -> None:
    with serving(command("uvicorn"), tmp_path) as served:
        assert served.ended() == 3
    lost = f"uvicorn app:app {command('uvicorn').partition('orders:app')[2]}"
    with serving(lost, HERE) as served:
        end = served.ended()
    record_property("figure", f"status {end}")
    record_property("says", f"With one process, uvicorn app:app ends with status {end}")
    with serving(f"{lost.strip()} --workers=2", HERE) as served:
        end = served.ended()
        record_property("says", f"then ends with status {end}")
        assert end == 0
        assert "Uvicorn running on" in served.said()


@pytest.mark.holds(
    "A factory is accounts.main:create_app() for gunicorn, and --factory accounts.main:create_app for uvicorn.",
)
@pytest.mark.proves(f"{FOLDER}/unpackaged.py")
def test_each_server_has_a_spelling_for_a_factory() -> None:
    name = "accounts.main:create_app()"
    assert f'wsgi_app = "{name}"' in (SERVICE / "gunicorn.conf.py").read_text()
    made = ModuleType("made")
    vars(made).update(create_app=lambda: orders)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "made", made)
        assert importlib.import_module("gunicorn.util").import_app("made:create_app()") is orders
        with pytest.raises(SystemExit):
            uvicorn.Config("made:create_app()").load()
        config = uvicorn.Config(name.replace("accounts.main", "made")[:-2], factory=True)
        config.load()
        assert vars(config.loaded_app)["app"] is orders
    (option,) = (one for one in uvicorn.main.params if one.name == "factory")
    assert f"{option.opts[0]} {name[:-2]}" == "--factory accounts.main:create_app"


@pytest.mark.holds(
    "uvicorn.workers.UvicornWorker is deprecated: it serves, and shows a warning only where Python shows such warnings.",
)
@pytest.mark.proves(f"{FOLDER}/sync.py")
def test_a_deprecated_worker_serves_and_says_nothing() -> None:
    line = "gunicorn --config=sync.py --worker-class=uvicorn.workers.UvicornWorker"
    with serving(line, HERE) as served:
        assert served.get() == 200
        assert "deprecated" not in served.said()
    with serving(line, HERE, PYTHONWARNINGS="error::DeprecationWarning") as served:
        assert served.ended()
        assert "DeprecationWarning: " in served.said()


@pytest.mark.holds(
    "By default, uvicorn and gunicorn listen on loopback; where PORT is set, gunicorn listens on all interfaces.",
    "The service's Dockerfile sets BIND=0.0.0.0:8000.",
)
@pytest.mark.proves(f"{FOLDER}/nowhere.py")
def test_the_defaults_listen_on_loopback(
    monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    ((bind,),) = [runpy.run_path(str(CONFIG.__file__))["Bind"].default]
    assert bind == f"{uvicorn.Config('orders:app').host}:8000"
    record_property("figure", bind.partition(":")[0])
    monkeypatch.setenv("PORT", "8001")
    (bind,) = runpy.run_path(str(CONFIG.__file__))["Bind"].default
    assert bind == "0.0.0.0:8001"
    assert "BIND=0.0.0.0:8000" in (SERVICE / "Dockerfile").read_text()


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with apps that are hard to serve."""
    (tmp_path / "odd.py").write_text(ODD)
    (tmp_path / "busy.py").write_text(BUSY)
    (tmp_path / "frozen.py").write_text(FROZEN)
    (tmp_path / "orders.py").write_text((HERE / "orders.py").read_text())
    return tmp_path


@pytest.mark.holds(
    "What each limit does",
    "--timeout of gunicorn, 30 seconds by default | kills and replaces a process that last reported so long ago",
    "A request that awaits for longer than --timeout goes on: give each call a timeout of its own.",
)
@pytest.mark.proves(f"{FOLDER}/served.py")
def test_a_loop_that_stands_still_ends_its_process(odd: Path, record_property: Any) -> None:
    line = "gunicorn odd:app --bind=$HOST:$PORT --timeout=2 --preload"
    with serving(f"{line} --worker-class=uvicorn_worker.UvicornWorker", odd) as served:
        assert served.get("/awaits") == 200
        with pytest.raises(httpx2.TransportError):
            served.get("/blocks")
        assert "WORKER TIMEOUT" in served.said()
        assert served.get() == 200
        assert len(served.processes()) == 2
    told = (HERE / "served.py").read_text()
    default = CONFIG.Timeout.default
    (limit,) = re.findall(r"--timeout-graceful-shutdown=(\d+)", command("uvicorn"))
    limits = re.findall(r"(?m)^(\w*timeout) = (\d+)", told)
    assert limits == [("timeout", str(default)), ("graceful_timeout", limit)]
    record_property("figure", f"{default} seconds")


def killed(seconds: float, *, reported: bool = True) -> bool:
    """Tell whether gunicorn kills a process so long after its last report, or without one."""
    arbiter, ends = importlib.import_module("gunicorn.arbiter"), list[int]()
    report = importlib.import_module("gunicorn.workers.workertmp").WorkerTmp(CONFIG.Config())
    worker = SimpleNamespace(tmp=report, aborted=False)
    if reported:
        report.notify()
    told = SimpleNamespace(
        timeout=CONFIG.Timeout.default,
        WORKERS={7: worker},
        log=SimpleNamespace(critical=lambda *_: None),
        kill_worker=lambda pid, _: ends.append(pid),
    )
    later = time.monotonic() + seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arbiter, "time", SimpleNamespace(monotonic=lambda: later))
        arbiter.Arbiter.murder_workers(told)
    report.close()
    return bool(ends)


async def pause(limit: float) -> float:
    """Return the seconds between two reports of uvicorn, whose clock we set."""
    times, now = list[float](), [1000.0]

    async def note() -> None:
        times.append(now[0])

    config = uvicorn.Config(orders, timeout_notify=limit, callback_notify=note)  # type: ignore[arg-type]  # gunicorn's worker gives half of an odd limit too
    config.load()
    server = uvicorn.Server(config)
    with pytest.MonkeyPatch.context() as patch:
        clocks = SimpleNamespace(time=lambda: now[0])
        patch.setattr(sys.modules["uvicorn.server"], "time", clocks)
        for tick in range(400):
            now[0] = 1000 + tick / 10
            await server.on_tick(tick)
    return times[1] - times[0]


@pytest.mark.holds(
    "A UvicornWorker reports once in half of --timeout, so a loop that stands still for 15 seconds can be enough.",
    "gunicorn doesn't kill a start that hangs, and uvicorn no process whose event loop stands still.",
)
@pytest.mark.proves(f"{FOLDER}/served.py")
def test_who_is_late_with_a_report_is_killed(record_property: Any) -> None:
    workers = importlib.import_module("uvicorn_worker").UvicornWorker
    limit = CONFIG.Timeout.default
    given = inspect.getsource(importlib.import_module("gunicorn.arbiter").Arbiter.spawn_worker)
    assert "self.timeout / 2.0" in given
    log = SimpleNamespace(error_log=logging.getLogger("a"), access_log=logging.getLogger("b"))
    app = SimpleNamespace()
    worker = workers(0, 0, [], app, limit / 2, CONFIG.Config(), log)
    worker.tmp.close()
    half = worker.config.timeout_notify
    assert half == 15
    record_property("figure", f"{half:.0f} seconds")
    share = {limit: "all", limit / 2: "half", limit * 2: "twice"}[half]
    record_property("says", f"reports once in {share} of --timeout")
    between = asyncio.run(pause(half))
    assert between >= half
    assert killed(between + half)
    assert not killed(limit - 1)
    assert not killed(10**6, reported=False)
    assert "notify" not in inspect.getsource(workers.__mro__[1].init_process)


async def stand_still() -> bool:
    """Tell whether uvicorn's parent has an answer of a process whose event loop stands still."""
    process = Process(uvicorn.Config("orders:app"), [])
    threading.Thread(target=process.always_pong, daemon=True).start()
    return process.ping(60)  # and until then, this loop does nothing else


@pytest.mark.holds(
    "gunicorn doesn't kill a start that hangs, and uvicorn no process whose event loop stands still.",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn_workers.sh")
def test_a_thread_answers_the_parent() -> None:
    assert asyncio.run(stand_still())
    target = inspect.getsource(Process.target)
    assert target.index("Thread(target=self.always_pong") < target.index("self.server.run(")


def option(line: str) -> dict[str, Any]:
    """Return an option of uvicorn's command line as its configuration has it."""
    name, _, value = line.removeprefix("--").partition("=")
    return {name.replace("-", "_"): int(value)}


async def counted() -> list[Any]:
    """Return how uvicorn's limits answer."""
    app, found = orders, list[Any]()
    async with httpx2.AsyncClient(timeout=60) as client:
        async with beside(app, **option("--limit-concurrency=1")) as server:
            found.append((await client.get(f"{server.url}/orders")).status_code)
        async with beside(app, **option("--limit-concurrency=2")) as server:
            url = f"{server.url}/orders"
            found.append((await client.get(url)).status_code)
            port = httpx2.URL(url).port
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            await clock.until(lambda: len(server.uvicorn.server_state.connections) > 1)
            found.append((await client.get(url)).status_code)
            found.append((await client.get(f"{server.url}/healthz")).status_code)
            writer.close()
    told = {**option("--limit-max-requests=2"), "timeout_graceful_shutdown": 20}
    async with httpx2.AsyncClient(timeout=60) as client, beside(app, **told) as server:
        asks = [client.get(f"{server.url}/orders") for _ in range(3)]
        found += [answer.status_code for answer in await asyncio.gather(*asks)]
        await server.served  # it ends by itself
    return found


@pytest.mark.holds(
    "--limit-concurrency=2 of uvicorn | while two connections are open, each request is answered 503, also where one of them is idle",
    "--limit-concurrency=1 serves nobody: the limit counts the connection that asks.",
    "A health check is answered 503 at this limit too, so a busy process may be restarted.",
    "--limit-max-requests=2 of uvicorn | a process ends soon after its second request; without --workers, so does the server",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn.sh")
def test_uvicorn_counts(record_property: Any) -> None:
    assert clock.run(counted()) == [503, 200, 503, 503, 200, 200, 200]
    with serving(f"{command('uvicorn').strip()} --limit-max-requests=2", HERE) as served:
        assert [served.get(), served.get(), served.ended()] == [200, 200, 0]


def numbers(*, jitter: int) -> list[set[int]]:
    """Return after how many requests processes end, those of uvicorn and those of gunicorn."""
    options = {"limit_max_requests": 1000, "limit_max_requests_jitter": jitter}
    ends = {uvicorn.Server(uvicorn.Config(orders, **options)).limit_max_requests for _ in range(50)}  # type: ignore[arg-type]  # both are numbers
    settings, found = CONFIG.Config(), set[int]()
    settings.set("max_requests", 1000)
    settings.set("max_requests_jitter", jitter)
    base, log = importlib.import_module("gunicorn.workers.base").Worker, SimpleNamespace()
    for _ in range(50):
        worker = base(0, 0, [], SimpleNamespace(), 15.0, settings, log)
        worker.tmp.close()
        found.add(worker.max_requests)
    return [{end for end in ends if end}, found]


@pytest.mark.holds(
    "Without --limit-max-requests-jitter of uvicorn, or --max-requests-jitter of gunicorn, all processes end after the same number of requests.",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn_workers.sh")
def test_processes_end_one_after_another() -> None:
    assert numbers(jitter=0) == [{1000}, {1000}]
    for found in numbers(jitter=1000):
        assert len(found) > 1
        assert found <= {*range(1000, 2001)}
    (option,) = (one for one in uvicorn.main.params if one.name == "limit_max_requests_jitter")
    assert option.opts == ["--limit-max-requests-jitter"]
    assert CONFIG.MaxRequestsJitter.cli == ["--max-requests-jitter"]


@pytest.fixture
def home() -> Iterator[Path]:
    """Give an empty folder with a short name: the path of a socket has 107 characters at most."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.holds(
    "gunicorn opens a control socket, and a second gunicorn of the same user replaces it: give both --no-control-socket.",
)
@pytest.mark.proves(f"{FOLDER}/asgi.sh")
def test_two_of_one_home_share_a_control_socket(home: Path) -> None:
    told, opened = {"HOME": str(home), "XDG_RUNTIME_DIR": ""}, "Control socket listening at "
    socket = home / ".gunicorn/gunicorn.ctl"
    with serving(command("asgi"), HERE, **told) as first:
        clock.wait(lambda: f"{opened}{socket}" in first.said())
        with serving(command("asgi"), HERE, **told) as second:
            clock.wait(lambda: f"{opened}{socket}" in second.said())
        assert not socket.exists()
        assert first.get() == 200
    quiet = f"{command('asgi').strip()} --no-control-socket"
    with serving(quiet, HERE, **told) as served:
        assert served.get() == 200
        assert opened not in served.said()
        assert not socket.exists()


@pytest.mark.holds(
    "--timeout-worker-healthcheck of uvicorn, 5 seconds by default | kills and replaces a process whose thread can't answer, as while C code holds Python's lock (GIL)",
)
@pytest.mark.proves(f"{FOLDER}/uvicorn_workers.sh")
def test_a_process_that_gives_no_answer_is_replaced(odd: Path, record_property: Any) -> None:
    impatient = command("uvicorn_workers").replace("orders:app", "frozen:app")
    impatient = impatient.replace("healthcheck=60", "healthcheck=1")
    with serving(impatient, odd) as served:
        clock.wait(lambda: len(re.findall(r"Child process \[\d+\] died", served.said())) > 1)
        assert not served.processes()
    default = uvicorn.Config("orders:app").timeout_worker_healthcheck
    record_property("figure", f"{default} seconds")


@pytest.mark.holds(
    "--threads=20 of gunicorn | does nothing for an ASGI app",
)
@pytest.mark.proves(f"{FOLDER}/asgi.sh")
def test_threads_serve_no_asgi_app() -> None:
    with serving(f"{command('asgi').strip()} --threads=20", HERE) as served:
        assert served.get() == 200
        assert "ASGI worker does not use threads configuration" in served.said()


@asynccontextmanager
async def held(
    folder: Path, processes: int, calls: int
) -> AsyncIterator[tuple[Held, Served, httpx2.AsyncClient]]:
    """Serve the busy app, whose remote service answers once so many calls wait for it."""
    remote, listening = Held(calls), listener()
    url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
    line = f"gunicorn busy:app --bind=$HOST:$PORT --worker-class=asgi --workers={processes}"
    with serving(line, folder, UPSTREAM_URL=url) as served:
        async with (
            await asyncio.start_server(remote, sock=listening),
            httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{served.port}", timeout=None) as client,
        ):
            yield remote, served, client


async def measured(folder: Path, processes: int) -> tuple[int, float]:
    """Return how many calculations run at once in some processes, and their memory in bytes."""
    async with held(folder, processes, processes) as (remote, served, client):

        def busy(number: int) -> bool:
            return remote.most >= number

        calls = list[asyncio.Task[httpx2.Response]]()
        for number in range(1, CALLS + 1):
            calls.append(asyncio.create_task(client.get("/calculate")))
            if number <= processes:  # the next call finds these processes busy
                await clock.until(partial(busy, number))
        for answer in await asyncio.gather(*calls):
            answer.raise_for_status()
        workers = psutil.Process(served.pid()).children()
        return remote.most, sum(each.memory_full_info().uss for each in workers)


async def waiting(folder: Path, callers: int) -> int:
    """Return how many calls that only wait are in one process at once."""
    async with held(folder, 1, callers) as (remote, _, client):
        for answer in await asyncio.gather(*(client.get("/wait") for _ in range(callers))):
            answer.raise_for_status()
        return remote.most


async def dear(snippet: ModuleType) -> dict[int, float]:
    """Return the processor time of a calculation, by number of processes, measured at once."""

    def spent(processes: int) -> float:
        told, found = f"--workers={processes}", 0.0
        for one in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # a child of another test may end meanwhile
                found += sum(one.cpu_times()[:2]) if told in one.cmdline() else 0
        return found

    async def ask(processes: int) -> float:
        async with snippet.serve("load:app", processes) as client:
            for _ in range(2):  # at first each process imports the app
                before = spent(processes)
                calls = [client.get("/calculate") for _ in range(2 * MOST)]
                for answer in await asyncio.gather(*calls):
                    answer.raise_for_status()
            return spent(processes) - before

    found = await asyncio.gather(ask(1), ask(MOST))
    return dict(zip((1, MOST), found, strict=True))


def shape(told: dict[str, Any]) -> dict[str, list[int]]:
    """Return each line of the picture in whole multiples of one process."""
    return {name: [round(each) for each in told[name]] for name in told if name != "processors"}


def wanted(processors: int) -> dict[str, list[int]]:
    """Return the lines that the page tells of."""
    numbers = range(1, MOST + 1)
    busy = [min(number, processors) for number in numbers]
    return {"calculates": busy, "waits": [1] * MOST, "memory": [*numbers]}


@pytest.mark.holds(
    "How many processes",
    "gunicorn's own ASGI on 2 processors, with 20 callers: each value is a multiple of that of one process.",
    "An endpoint that calculates answers more calls with each process, until each processor has a process.",
    "An endpoint that awaits gains nothing: one process holds the calls of all 20 callers at once.",
    "Without preload_app, each process more takes as much memory as the first.",
    "The app and the data of the picture, and how it is drawn",
    "The calls a second were recorded once.",
    "Each run of the tests counts what makes them: the calls at once, the memory, and the processor time of a call.",
)
@pytest.mark.proves(f"{FOLDER}/workers.json", f"{FOLDER}/load.py")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/curve.py"], indirect=True)
def test_a_process_calculates_once_and_waits_often(
    snippet: ModuleType,
    odd: Path,
    pytestconfig: pytest.Config,
    record_property: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy machine can't repeat a rate, so it counts what makes the rates, and keeps a record."""
    numbers = range(1, MOST + 1)
    with ThreadPoolExecutor(MOST) as pool:
        told = [*pool.map(lambda number: asyncio.run(measured(odd, number)), numbers)]
    assert [most for most, _ in told] == [*numbers]
    memory = [round(each / told[0][1], 1) for _, each in told]
    assert asyncio.run(waiting(odd, snippet.CALLERS)) == snippet.CALLERS
    assert (CONFIG.PreloadApp.name, CONFIG.PreloadApp.default) == ("preload_app", False)
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    data, updating = HERE / "workers.json", pytestconfig.option.update_examples
    fresh = dict[str, Any]()
    if updating and data.read_text().split() == ["{}"]:  # record it where nothing else runs
        fresh["processors"] = len(os.sched_getaffinity(0))
        for name, url in {"calculates": "/calculate", "waits": "/wait"}.items():
            fresh[name] = asyncio.run(snippet.curve("load:app", url))
    fresh["memory"] = memory
    recorded = json.loads(data.read_text()) or fresh
    lines = wanted(recorded["processors"])
    assert shape({"memory": memory}) == {"memory": lines["memory"]}
    pictures.hold_data(f"{FOLDER}/workers", fresh, shape, lines, updating)
    record_property("figure", f"{recorded['processors']} processors")
    record_property("figure", f"{snippet.CALLERS} callers")


@pytest.mark.holds(
    "An endpoint that calculates answers more calls with each process, until each processor has a process.",
    "Each run of the tests counts what makes them: the calls at once, the memory, and the processor time of a call.",
)
@pytest.mark.proves(f"{FOLDER}/load.py")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/curve.py"], indirect=True)
def test_more_processes_make_no_calculation_cheaper(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert [told[:1] for told in asked(load, "GET /calculate", "GET /wait")] == [(200,)] * 2
    spent = asyncio.run(dear(snippet))
    # A processor that is full answers twice as many calls only if each takes half of its time.
    # Both servers are measured in the same moment, so what disturbs them disturbs both.
    assert spent[MOST] / spent[1] > 0.7, spent


@pytest.mark.parametrize("snippet", [f"{FOLDER}/curve.py"], indirect=True)
def test_a_rate_is_what_is_answered_in_a_second(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Client:
        """A client whose calls take half a second of the clock that we set."""

        async def get(self, path: str) -> httpx2.Response:
            await asyncio.sleep(0.5)  # of the clock that the test sets
            return httpx2.Response(int(path), request=httpx2.Request("GET", "http://a"))

    @asynccontextmanager
    async def serve(app: str, processes: int) -> AsyncIterator[Client]:
        assert (app, processes) == ("load:app", 2)
        yield Client()

    async def rate(_app: str, _path: str, processes: int, _seconds: float) -> float:
        return min(processes, 2) * 40.04

    with monkeypatch.context() as patch:
        patch.setattr(snippet, "serve", serve)
        found = clock.run(snippet.rate("load:app", "200", 2, 3.2))
        assert found == pytest.approx(snippet.CALLERS / 0.5, rel=0.1)
        with pytest.raises(ExceptionGroup):
            clock.run(snippet.rate("load:app", "500", 2, 3.2))
    monkeypatch.setattr(snippet, "rate", rate)
    assert asyncio.run(snippet.curve("load:app", "/")) == [1, 2, 2, 2]
    monkeypatch.setattr(sys, "argv", ["curve.py", "load:app", "/wait"])
    monkeypatch.setattr(asyncio, "run", lambda call: call.close() or [1.0])
    runpy.run_path(str(snippet.__file__), run_name="__main__")
    assert capsys.readouterr().out == "/wait [1.0]\n"


@pytest.mark.holds(
    "Calls a second and memory, by number of processes",
    "By 4 processes on 2 processors: calls a second where it calculates, 2 times; calls a second where it waits, 1 times; memory, 4 times.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    told = json.loads((HERE / "workers.json").read_text())
    record_property("figure", f"{told['processors']} processors")
    record_property("figure", f"{len(told['waits'])} processes")
    for name in shape(told):
        record_property("figure", f"{told[name][-1]:g} times")
    pictures.hold_picture(f"{FOLDER}/workers", snippet.draw, pytestconfig.option.update_examples)
    lines = {"calculates": [1, 2], "waits": [1, 1], "memory": [1, 2]}
    drawn = snippet.draw({"processors": 1, **lines})
    assert (drawn.count("M65 181L165 146"), drawn.count("M65 181L165 181")) == (2, 1)


@pytest.mark.holds(
    "Multiply what a process opens: with the service's defaults, each opens up to 12 connections to the database.",
)
@pytest.mark.proves("service/gunicorn.conf.py")
@pytest.mark.service("tests/test_gunicorn.py")
def test_the_service_has_its_own_file(service: Holds, record_property: Any) -> None:
    service()
    settings = (SERVICE / "src/accounts/config.py").read_text()
    pool, more = re.findall(r"pool_(?:size|overflow): int = Field\(default=(\d+)", settings)
    assert (
        "takes `POOL_SIZE` + `POOL_OVERFLOW` + 2 connections" in (SERVICE / "README.md").read_text()
    )
    record_property("figure", f"{int(pool) + int(more) + 2} connections")


def silent(*_: object, **__: object) -> None:
    """Ask a server that accepts, and doesn't answer."""
    reason = "it says nothing"
    raise httpx2.ReadTimeout(reason)


def refused(*_: object, **__: object) -> None:
    """Ask a server that doesn't listen."""
    reason = "nobody listens"
    raise httpx2.ConnectError(reason)


@pytest.mark.holds(
    "With app:app the test is red, also with --workers=2, and so is a server that takes more than a minute to listen.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/asked.py"], indirect=True)
def test_your_command_is_asked(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("PATH", f"{BIN}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    snippet.test_the_command_serves()
    with monkeypatch.context() as patch:
        patch.setattr(httpx2, "get", silent)
        with pytest.raises(httpx2.ReadTimeout):
            snippet.test_the_command_serves()
    pauses = list[float]()
    with monkeypatch.context() as patch:
        patch.setattr(httpx2, "get", refused)
        patch.setattr(snippet.time, "sleep", pauses.append)
        with pytest.raises(AssertionError):
            snippet.test_the_command_serves()
    assert pauses.count(0.1) * 0.1 == 60
    monkeypatch.setattr(snippet, "COMMAND", snippet.COMMAND.replace("orders:app", "app:app"))
    with pytest.raises(AssertionError):
        snippet.test_the_command_serves()
    monkeypatch.setattr(snippet, "COMMAND", f"{snippet.COMMAND} --workers=2")
    with pytest.raises(AssertionError):
        snippet.test_the_command_serves()
