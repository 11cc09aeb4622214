"""What the page on shutdown claims: a signal with a request and a stream in flight."""

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import ModuleType
from typing import Any

import httpx2
import pytest
import uvicorn
import yaml

from snippets.deploy.shutdown import checked
from tests.engine.pages import SNIPPETS
from tests.parts import clock, pictures
from tests.parts.server import beside, free_port
from tests.parts.service import SERVICE
from tests.prove.twins import dont

FOLDER = "deploy/shutdown"
STREAM = "/orders/events"
PAYMENT = "/orders/7/payment"
WORKER = "tests/survival/test_worker.py"
CONFIG = uvicorn.Config
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Let the server handle SIGTERM, tell your streams from the same handler, and nest each limit in the next one.",
    "If you don't know which handler you need, install none: uvicorn answers open requests by itself.",
    "Install fastapi and uvicorn.",
    "Do: tell a stream that it must end",
    "Don't install a handler before the server",
    "Don't replace the server's handler",
    "Start in the lifespan what requests share, and close it behind the yield.",
    "Let the platform leave out a process before it sends SIGTERM: new connections are refused from then on.",
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
    "uvicorn refuses each new connection.",
    "The open request is answered with 200.",
    "The lifespan goes on behind its yield, and closes the pool.",
    "Don't set a limit below your slowest request",
    "At the limit, uvicorn cancels all that runs.",
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


async def check(url: str) -> None:
    """Run the page's check on this process."""
    await checked.check(url + STREAM, os.getpid())


@pytest.mark.holds(
    "The reader gets a last event, and connects to another process.",
    "Look at stop: it tells the stream, and then calls the handler of uvicorn, which was there before.",
    "serve() replaces the handlers that it finds, and gives the signal back when the server has ended.",
    "So this handler runs after all is over, and the stream is cut at the limit.",
    "The stream ends, and uvicorn never hears of the signal: it takes requests until the platform kills it.",
    "told.py is green, and early.py and replaced.py are red.",
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


@pytest.mark.holds("told.py is green, and early.py and replaced.py are red.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_the_check_tells_them_apart(snippet: ModuleType) -> None:
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
    module = planted("told.py", "uvicorns(number, frame)", "pass")
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
    """Tell whether a stream stays open for a minute after SIGTERM."""
    try:
        async with asyncio.timeout(60):
            await check(url)
    except TimeoutError:
        return True
    return False


@pytest.mark.holds(
    "Or the platform kills each old process, since a stream keeps it from ending.",
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


@pytest.mark.holds(
    "A handler that calls asyncio.create_task(server.shutdown()) comes as late: the server has drained without it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/early.py"], indirect=True)
def test_a_handler_that_shuts_the_server_down_is_late(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, drained = list[asyncio.Task[None]](), planted("drained.py")

    async def serve(port: int) -> None:
        server = uvicorn.Server(uvicorn.Config(drained.app, port=port))

        def handle(*_: object) -> None:
            drained.steps.append("handled")
            tasks.append(asyncio.create_task(server.shutdown()))

        signal.signal(signal.SIGTERM, handle)
        await server.serve()
        tasks[0].cancel()

    monkeypatch.setattr(snippet, "serve", serve)
    (status, _), _, _ = clock.run(served(snippet, pay))
    assert status == 200
    assert drained.steps[1:] == ["order 7 is paid", "the pool is closed", "handled"]


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
    "The picture is made from what the two files did.",
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
    assert drawn.count('class="bad"') == 2


@pytest.mark.holds(
    "The process ends by the signal: its status is 143.",
)
@pytest.mark.service("tests/survival/test_shutdown.py::test_a_request_ends_and_a_stream_is_ended")
@pytest.mark.proves(f"{FOLDER}/drained.py")
def test_the_process_ends_by_the_signal(service: Holds, record_property: Any) -> None:
    service()
    told = (SERVICE / "tests/survival/test_shutdown.py").read_text()
    (status,) = re.findall(r"\(processes\.uvicorn, (\d+)\)", told)
    record_property("figure", status)


@pytest.mark.holds(
    "The lifespan of the service runs with on_stop(feed.close):, which does this for SIGTERM and SIGINT:",
)
@pytest.mark.service(
    "tests/test_shutdown.py::test_both_are_called_the_app_and_the_server",
    "tests/test_shutdown.py::test_what_was_ignored_stays_ignored",
    "tests/test_shutdown.py::test_a_thread_leaves_the_signals_alone",
)
@pytest.mark.proves("service/src/accounts/shutdown.py")
def test_the_service_tells_its_streams(service: Holds) -> None:
    service()
    assert (
        "    with on_stop(feed.close):\n        yield\n"
        in (SERVICE / "src/accounts/main.py").read_text()
    )
    told = (SERVICE / "src/accounts/shutdown.py").read_text()
    assert "SIGNALS = signal.SIGTERM, signal.SIGINT" in told


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


@pytest.mark.holds("gunicorn's worker has no option for uvicorn's limit, so this function sets it.")
@pytest.mark.proves("service/gunicorn.conf.py")
def test_gunicorn_has_no_option_for_the_limit() -> None:
    told = inspect.getsource(importlib.import_module("uvicorn_worker").UvicornWorker)
    assert "timeout_keep_alive" in told
    assert "graceful" not in told


@pytest.mark.holds(
    "A worker finishes its job",
    "At SIGTERM, the worker of the service takes no new job, and finishes the mail that it sends:",
)
@pytest.mark.service(
    f"{WORKER}::test_a_worker_that_is_told_to_stop_finishes_its_mail",
    f"{WORKER}::test_a_killed_worker_loses_nothing",
)
@pytest.mark.proves(f"service/{WORKER}")
def test_a_worker_finishes_its_job(service: Holds) -> None:
    service()
