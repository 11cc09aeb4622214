"""What the page on metrics claims."""

import asyncio
import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import prometheus_client
import pytest
import time_machine
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Message

from tests.engine.pages import SNIPPETS
from tests.parts import pictures
from tests.parts.server import beside
from tests.parts.service import SERVICE
from tests.prove.twins import dont

FOLDER = "observe/metrics"
HERE = SNIPPETS / FOLDER
CHECKED = importlib.import_module("snippets.observe.metrics.checked")
PATHS = [*range(0, 1001, 100)]
METRICS = "service/src/accounts/metrics.py"
MEMORY = "process_resident_memory_bytes"
MIDDLEWARE = "tests/test_middleware.py"
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Take each label from a list that you wrote, and observe a request when its response has ended, however it ends.",
    "If you don't know whether a client can invent a value, write it to the log and not into a label.",
    "Install fastapi, httpx2, prometheus-client, starlette and uvicorn.",
    "Don't label by path",
    "Do: observe a response at its end",
    "Don't observe what an endpoint returns",
    "Do: give a histogram the edges of your budget",
    "Don't guess between two edges",
    "Let all processes count in one folder",
    "Add the middleware last, so that it also observes what other middlewares answer.",
    "Serve the metrics at a path of their own, and let your gateway refuse that path.",
    "Leave the routes of streams out of what you ask about slow requests.",
    "Count errors by their status, and leave their text to the log.",
    "Copy this check, and call it with your app, the registry of your metrics, and the path of a route such as /orders/{}:",
]


JUDGEMENTS = [
    "We call the values of a metric under one set of labels a series.",
    "We call the number of these the cardinality of a metric.",
]


async def ask(app: Any, path: str, method: str = "GET") -> str:
    """Ask an app as a server does; return what it sent, or raise what it raised."""
    body = list[bytes]()

    async def send(message: Message) -> None:
        body.append(message.get("body", b""))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sends more")

    scope: dict[str, object] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
    }
    scope |= {"raw_path": path.encode(), "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    return b"".join(body).decode()


def value(module: ModuleType, name: str, **labels: str) -> float:
    """Return what a module's registry says of a series."""
    return module.registry.get_sample_value(name, labels) or 0.0


async def growth(module: ModuleType) -> list[int]:
    """Return the series of an app after 0 paths, after 100, and so on."""
    found = list[int]()
    for number in range(PATHS[-1] + 1):
        if number in PATHS:
            found.append(CHECKED.count_series(module.registry))
        await ask(module.app, f"/orders/{number}")
    return found


@pytest.mark.holds(
    "Measure each request under the template of its route",
    "Or each bot that tries random paths makes each scrape longer, and two scrapes in a row disagree about one counter.",
    "Each new path makes 20 series, 18 of them for the histogram; with a folder for all processes, the two that end in _created are left out.",
    "A series stays until you remove it or its process ends, so each scan of a bot takes memory that nobody gives back.",
    "What 1000 paths make",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/labels.py", dont(f"{FOLDER}/labelled.py", "1000 paths make 20000 series")],
    indirect=True,
)
def test_what_a_client_invents_makes_no_series(snippet: ModuleType, record_property: Any) -> None:
    found = asyncio.run(growth(snippet))
    (duration,) = snippet.DURATION.collect()
    each = sum(sample.labels.get("path") == "/orders/7" for sample in duration.samples)
    record_property("figure", f"{each} of")
    if made := found[-1] // PATHS[-1]:
        record_property("says", f"Each new path makes {made} series, {each} of them for the hist")
    record_property("figure", f"{made} series")
    asyncio.run(ask(snippet.app, "/orders/7"))
    assert CHECKED.count_series(snippet.registry) >= found[-1], "none goes away"
    labels, *_ = snippet.DURATION._metrics
    before = CHECKED.count_series(snippet.registry)
    snippet.DURATION.remove(*labels)
    assert CHECKED.count_series(snippet.registry) < before, "it goes if it is removed"
    (asked,) = snippet.REQUESTS.collect()
    shown = {sample.labels[snippet.REQUESTS._labelnames[1]] for sample in asked.samples}
    created = [s for s in (*asked.samples, *duration.samples) if s.name.endswith("_created")]
    assert len(created) == {"two": 2}["two"] * len(shown)
    assert found[-1] == found[1], f"{PATHS[-1]} paths make {found[-1]} series"


@pytest.mark.holds(
    "Look at observe: its route is the template /orders/{order_id}, and a method that nobody knows is OTHER.",
    "All orders share the series of one route.",
    "All that no route of FastAPI answers shares the label unmatched: paths that don't exist, and /docs and static files too.",
    "The label lacks the prefix of a mount, and that of include_router: two versions of an API share a series.",
    "Give the prefix to the APIRouter of the routes, and read the label of one route in a test.",
    "A test that asks for one order is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/labels.py", f"{FOLDER}/labelled.py"], indirect=True)
def test_one_order_is_counted(snippet: ModuleType, tmp_path: Path) -> None:
    carts, own = APIRouter(), APIRouter(prefix="/v3")
    for router in carts, own:
        router.get("/carts/{cart_id}")(lambda cart_id: cart_id)
    for prefix in "/v1", "/v2":
        snippet.app.include_router(carts, prefix=prefix)
    snippet.app.include_router(own)
    (tmp_path / "logo.txt").write_text("logo")
    snippet.app.mount("/static", StaticFiles(directory=tmp_path))
    mounted = FastAPI()
    mounted.get("/bills/{bill_id}")(lambda bill_id: bill_id)
    snippet.app.mount("/admin", mounted)

    async def asked() -> None:
        passed = list[str]()

        async def other(scope: Any, receive: Any, send: Any) -> None:
            passed.append(scope["type"])

        await snippet.Measuring(other)({"type": "lifespan"}, None, None)
        assert passed == ["lifespan"], "it passes on what is no request"
        assert await ask(snippet.app, "/orders/1") == "1"
        assert await ask(snippet.app, "/static/logo.txt") == "logo"
        for path in ("/a", "/b", "/docs", "/admin/bills/7"):
            await ask(snippet.app, path)
        for path in ("/v1/carts/7", "/v2/carts/7", "/v3/carts/7"):
            assert await ask(snippet.app, path) == '"7"'
        await ask(snippet.app, "/orders/1", "STEAL")

    asyncio.run(asked())
    name, label = "http_requests_total", snippet.REQUESTS._labelnames[1]
    if label == "path":
        assert value(snippet, name, method="GET", path="/orders/1", status="200") == 1
        return
    order = "/orders/{order_id}"
    assert value(snippet, name, method="GET", route=order, status="200") == 1
    assert value(snippet, name, method="OTHER", route=order, status="405") == 1
    assert value(snippet, name, method="GET", route="unmatched", status="404") == 2
    assert value(snippet, name, method="GET", route="unmatched", status="200") == 2
    assert value(snippet, name, method="GET", route="/bills/{bill_id}", status="200") == 1
    for route, requests in {"/carts/{cart_id}": 2, "/v3/carts/{cart_id}": 1}.items():
        assert value(snippet, name, method="GET", route=route, status="200") == requests


@pytest.mark.holds(
    "The data of the picture, and how it is drawn",
    "The picture is made from what both apps counted.",
    "Series of the same app, while a client asks for orders with other ids.",
)
@pytest.mark.proves(f"{FOLDER}/series.json")
def test_the_data_is_what_both_count(pytestconfig: pytest.Config) -> None:
    def anew(name: str) -> list[int]:
        file = HERE / f"{name}.py"
        module = ModuleType(name)
        exec(compile(file.read_text(), str(file), "exec"), vars(module))  # noqa: S102  it is the block
        return asyncio.run(growth(module))

    runs = {"paths": PATHS, "route": anew("labels"), "path": anew("labelled")}
    updating = pytestconfig.option.update_examples
    pictures.hold_data(f"{FOLDER}/series", runs, lambda told: told, runs, updating)
    assert json.loads((HERE / "series.json").read_text()) == runs


@pytest.mark.holds(
    "Series of a service, by the paths that clients tried",
    "After 1000 paths: by route 20, by path 20000.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/draw.py"], indirect=True)
def test_the_picture_is_drawn_from_the_data(
    snippet: ModuleType, pytestconfig: pytest.Config, record_property: Any
) -> None:
    pictures.hold_picture(f"{FOLDER}/series", snippet.draw, pytestconfig.option.update_examples)
    drawn = snippet.draw({"paths": [0, 10], "route": [0, 1], "path": [0, 2]})
    told = json.loads((HERE / "series.json").read_text())
    record_property("figure", f"{told['paths'][-1]} paths")
    for label in ("route", "path"):
        record_property("figure", f"{told[label][-1]}")
    assert 'class="good"' in drawn
    assert "L390 95" in drawn
    assert "L390 20" in drawn


@pytest.mark.holds(
    "Your service answers 500, and no graph shows an error.",
    "call_next raises what the endpoint raises, so no error of a bug is counted, unless a middleware inside this one answers it.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/measured.py", dont(f"{FOLDER}/returned.py", "0 of 1 failures are counted")],
    indirect=True,
)
def test_a_failure_is_counted(snippet: ModuleType) -> None:
    async def answering(request: Request, call_next: Callable[[Request], Any]) -> Any:
        try:
            return await call_next(request)
        except ZeroDivisionError:
            return Response(status_code=500)

    async def asked() -> int:
        transport = httpx2.ASGITransport(snippet.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return (await client.get("/orders/1")).status_code

    assert asyncio.run(asked()) == 500
    labels = {"method": "GET", "route": "/orders/{order_id}", "status": "500"}
    found = value(snippet, "http_requests_total", **labels)
    if not found:  # the innermost is the last of them
        snippet.app.user_middleware.append(Middleware(BaseHTTPMiddleware, dispatch=answering))
        snippet.app.middleware_stack = None
        assert asyncio.run(asked()) == 500
        assert value(snippet, "http_requests_total", **labels) == 1
    assert found == 1, f"{found:g} of 1 failures are counted"


@pytest.mark.holds(
    "A stream of 60 seconds is observed as 0 seconds: call_next returns before the first event.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/measured.py", dont(f"{FOLDER}/returned.py", "60 seconds are observed as 0")],
    indirect=True,
)
def test_a_stream_is_observed_at_its_end(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    now = [0.0]
    monkeypatch.setattr(snippet, "perf_counter", lambda: now[0])

    async def minute() -> AsyncIterator[str]:
        for _ in range(60):
            yield "tick"
            now[0] += 1

    async def stream() -> StreamingResponse:
        return StreamingResponse(minute())

    snippet.app.get("/minute")(stream)
    asyncio.run(ask(snippet.app, "/minute"))
    labels = {"method": "GET", "route": "/minute"}
    found = value(snippet, "http_request_duration_seconds_sum", **labels)
    record_property("figure", f"{now[0]:g} seconds")
    if found < now[0]:  # `call_next` didn't wait for the events
        record_property("says", f"{now[0]:g} seconds is observed as {found:g} seconds")
        returned = "after" if found else "before"
        record_property("says", f"call_next returns {returned} the first event")
    assert found == 60, f"{now[0]:g} seconds are observed as {found:g}"


@pytest.mark.holds("A test that asks for an order and reads its status is green.")
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/measured.py", f"{FOLDER}/returned.py"], indirect=True
)
def test_a_response_is_counted(snippet: ModuleType) -> None:
    async def order(order_id: int) -> int:
        return order_id

    snippet.app.get("/orders/{order_id}/lines")(order)
    assert asyncio.run(ask(snippet.app, "/orders/1/lines")) == "1"
    labels = {"method": "GET", "route": "/orders/{order_id}/lines", "status": "200"}
    assert value(snippet, "http_requests_total", **labels) == 1


@pytest.mark.holds(
    "Look at finally: it also runs when the app raises, and when the request is cancelled.",
    "Even Measuring counts a stream that breaks in its middle under the 200 that was sent.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/measured.py"], indirect=True)
def test_what_breaks_is_counted(snippet: ModuleType) -> None:
    waits, passed = asyncio.Event(), list[str]()

    async def half() -> AsyncIterator[str]:
        yield "half"
        raise ConnectionResetError

    async def broken() -> StreamingResponse:
        return StreamingResponse(half())

    async def endless() -> None:
        waits.set()
        await asyncio.Event().wait()

    async def other(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    async def asked() -> None:
        await snippet.Measuring(other)({"type": "lifespan"}, None, None)
        with contextlib.suppress(ConnectionResetError, ExceptionGroup):
            await ask(snippet.app, "/half")
        task = asyncio.create_task(ask(snippet.app, "/endless"))
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])

    snippet.app.get("/half")(broken)
    snippet.app.get("/endless")(endless)
    asyncio.run(asked())
    assert passed == ["lifespan"]
    for route, status in {"/half": "200", "/endless": "500"}.items():
        labels = {"method": "GET", "route": route, "status": status}
        assert value(snippet, "http_requests_total", **labels) == 1, route


@pytest.mark.holds(
    "A client that goes away before the answer is counted under the status that it didn't wait for, such as 200.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/measured.py"], indirect=True)
def test_a_client_that_goes_away_is_counted_as_answered(
    snippet: ModuleType, record_property: Any
) -> None:
    arrived = asyncio.Event()

    async def slow(request: Request) -> None:
        arrived.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async def leave() -> None:
        async with beside(snippet.app, timeout_graceful_shutdown=20) as server:
            host, port = server.url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
            await arrived.wait()
            writer.close()
            await writer.wait_closed()

    snippet.app.get("/slow")(slow)
    asyncio.run(leave())  # the server waits for its requests
    (counted,) = (
        sample.labels["status"]
        for metric in snippet.REQUESTS.collect()
        for sample in metric.samples
        if sample.labels["route"] == "/slow" and sample.name.endswith("_total")
    )
    record_property("says", f"the status that it didn't wait for, such as {counted}")


REMOVED = """
import sys
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if sys.argv[1:]:
    paths = Counter("paths_total", "Paths.", ["path"])
    paths.labels("/a").inc()
    paths.remove("/a")
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.mark.holds(
    "A series stays in the folder when its process ends, and remove() doesn't remove it.",
)
@pytest.mark.proves(METRICS)
def test_a_folder_keeps_each_series(tmp_path: Path) -> None:
    for arguments in ["counts"], list[str]():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", REMOVED, *arguments],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert 'paths_total{path="/a"} 1.0' in done.stdout


@pytest.mark.holds(
    "time.time() goes back when somebody sets the clock, and a histogram takes a negative duration: use perf_counter().",
)
@pytest.mark.proves(f"{FOLDER}/measured.py")
def test_a_duration_may_be_negative() -> None:
    with time_machine.travel(100) as clock:
        began, counted = time.time(), time.perf_counter()
        clock.move_to(97)
        seconds = round(time.time() - began)
        assert time.perf_counter() >= counted
    histogram = prometheus_client.Histogram("seconds", "Seconds.", registry=None)
    histogram.observe(seconds)
    sums = [s.value for m in histogram.collect() for s in m.samples if s.name.endswith("_sum")]
    assert sums == [-3]
    assert "perf_counter()" in (HERE / "measured.py").read_text()


@pytest.mark.holds(
    "A histogram counts how many requests took no longer than each of its edges, and knows nothing in between.",
    "These are the limits of the budget that a run can break, 1.5 s for half of the requests:",
    "The service names no edges: the limit of its alert on late requests, 0.5 s, is a default edge.",
    "Above 1 s, 2.5 s is the next default edge of prometheus_client.",
    "So requests of 1200 ms and requests of 2400 ms give the same guess of 1750 ms for half of them.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/budgeted.py",
        dont(f"{FOLDER}/guessed.py", "1.2 s for each request breaks the limits"),
    ],
    indirect=True,
)
def test_an_edge_tells_whether_a_limit_is_kept(snippet: ModuleType, record_property: Any) -> None:
    told = tomllib.loads((SNIPPETS / "decide/budgets/budget.toml").read_text())["budget"]
    limits = {float(k[:-1]) / 100: v / 1000 for k, v in told["at_most"].items() if "%" in k}
    assert limits == snippet.BUDGET
    record_property("figure", f"{limits[0.5]:g} s")
    edges = prometheus_client.Histogram.DEFAULT_BUCKETS
    late = re.findall(r'le="(\d.*?)"', (SERVICE / "deploy/alerts.yml").read_text())
    assert set(late) == {"0.5"}
    assert float(late[0]) in edges
    assert "buckets=" not in (SNIPPETS / METRICS).read_text()
    around = max(edge for edge in edges if edge < 1.5), min(e for e in edges if e > 1.5)
    for edge in around:
        record_property("figure", f"{edge:g} s")
    if hasattr(snippet, "quantile"):
        guesses = set[float]()
        for seconds in (1.2, 2.4):
            counts = {edge: 100.0 * (edge >= seconds) for edge in edges}
            record_property("figure", f"{seconds * 1000:g} ms")
            guesses.add(snippet.quantile(0.5, counts))
            record_property("figure", f"{snippet.quantile(0.5, counts) * 1000:g} ms")
        assert len(guesses) == 1, "they give the same guess"
        assert snippet.broken([2.4] * 100) == [1.5]
    found = {seconds: snippet.broken([seconds] * 100) for seconds in (1.2, 2.4, 9.5)}
    assert found[1.2] == [], f"1.2 s for each request breaks the limits {found[1.2]}"
    assert found == {1.2: [], 2.4: [1.5], 9.5: [1.5, 9.0]}


COUNT = """
import os
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

Counter("orders_total", "Orders.").inc(globals().get("orders", 1))
Gauge("waiting", "Orders that wait.").set(1)
Gauge("longest", "The longest one.", multiprocess_mode="max").set(1)
registry = REGISTRY
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.mark.holds(
    "Or each bot that tries random paths makes each scrape longer, and two scrapes in a row disagree about one counter.",
    "Each process counts by itself, and a scrape reaches one of them: two scrapes show two counts.",
    "With PROMETHEUS_MULTIPROC_DIR at the first import of prometheus_client, each process counts in files of that folder.",
    "A MultiProcessCollector in any of them answers for all processes of the machine.",
    "Empty the folder at each start, or the counts of the last run are added.",
    "process_resident_memory_bytes and its like are left out: the service measures process_peak_memory_bytes itself.",
    "A gauge has a series for each process, with its pid, unless you set its multiprocess_mode, such as to max.",
    "The service reads Backlog from the database at each scrape, so any process tells the same.",
)
@pytest.mark.service(
    "tests/test_monitor.py::test_processes_that_share_a_folder_tell_one_count",
    f"{MIDDLEWARE}::test_the_metrics_tell_what_waits_in_the_outbox",
)
@pytest.mark.proves(METRICS)
def test_processes_share_a_folder(service: Holds, tmp_path: Path) -> None:
    service()

    def counted(first: str = "", **environment: str) -> tuple[str, int, int]:
        done = subprocess.run(
            [sys.executable, "-c", f"{first}\n{COUNT}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("_created" in done.stdout) == (not environment)
        (orders,) = re.findall(r"^orders_total (\S+)", done.stdout, re.MULTILINE)
        assert re.search(r"^longest \S+", done.stdout, re.MULTILINE), "it has no pid"
        pids = re.findall(r"^waiting{pid=", done.stdout, re.MULTILINE)
        return orders, len(pids), len(re.findall(rf"^{MEMORY} ", done.stdout, re.MULTILINE))

    alone = [counted(f"orders = {number}") for number in (1, 2)]
    assert [(orders, pids) for orders, pids, _ in alone] == [("1.0", 0), ("2.0", 0)]
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    assert [counted(**shared) for _ in range(2)] == [("1.0", 1, 0), ("2.0", 2, 0)]
    assert counted("import prometheus_client", **shared)[0] == "3.0"
    late = "import os; told = os.environ.pop('PROMETHEUS_MULTIPROC_DIR'); import prometheus_client"
    late += "; os.environ['PROMETHEUS_MULTIPROC_DIR'] = told"
    assert counted(late, **shared)[0] == "3.0", "set after the first import, it counts elsewhere"
    if sys.platform == "linux":
        assert alone[0][2] == 1
    told = (SNIPPETS / METRICS).read_text()
    assert "registries.append(CollectorRegistry())\n        registries[1].register(backlog)" in told
    assert '"process_peak_memory_bytes",' in told


@pytest.mark.holds("The service sets it in the file that gunicorn reads:")
@pytest.mark.service(
    "tests/test_gunicorn.py::test_a_reload_goes_on_counting",
    "tests/test_gunicorn.py::test_another_process_counts_apart",
    "tests/test_gunicorn.py::test_its_folder_ends_with_it",
)
@pytest.mark.proves("service/gunicorn.conf.py")
def test_the_service_counts_over_all_processes(service: Holds) -> None:
    service()


@pytest.mark.holds(
    "The service has the middleware of this page in snippets/service/src/accounts/middleware/measuring.py.",
    "Its labels come from a list, too:",
)
@pytest.mark.service(
    f"{MIDDLEWARE}::test_what_clients_invent_makes_no_series",
    f"{MIDDLEWARE}::test_a_surprise_is_answered_logged_and_counted",
    f"{MIDDLEWARE}::test_the_metrics_are_served",
    f"{MIDDLEWARE}::test_what_is_no_request_is_passed_on",
)
@pytest.mark.proves(METRICS)
def test_the_service_measures_so(service: Holds) -> None:
    service()
    ours = (HERE / "measured.py").read_text().partition("        try:\n")[2].partition("\n\n")[0]
    theirs = (SERVICE / "src/accounts/middleware/measuring.py").read_text()
    assert "            await self.app(scope, receive, watched)\n        finally:\n" in theirs
    assert ours.startswith(
        "            await self.app(scope, receive, watched)\n        finally:\n"
    )
    assert 'method if method in METHODS else "OTHER"' in (SNIPPETS / METRICS).read_text()


@pytest.mark.holds(
    "It is red on labelled.py and green on labels.py.",
    "It sees the route that you give it, so call it for each route with a parameter.",
    "It is green on returned.py too: let an endpoint raise in a test, and read the counter.",
)
@pytest.mark.proves(f"{FOLDER}/checked.py")
def test_the_check_finds_a_path_in_a_label() -> None:
    for name, red in {"labels": False, "labelled": True, "returned": False}.items():
        module = ModuleType(name)
        file = HERE / f"{name}.py"
        exec(compile(file.read_text(), str(file), "exec"), vars(module))  # noqa: S102  it is the block
        refused = pytest.raises(AssertionError, match=r"a client makes \d+ series")
        with refused if red else contextlib.nullcontext():
            asyncio.run(CHECKED.check_series(module.app, module.registry, "/orders/{}"))
    registry = prometheus_client.CollectorRegistry()
    asked = prometheus_client.Counter("asked_total", "Requests.", ["route"], registry=registry)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.labels(scope["path"] if scope["path"].startswith("/users/") else "other").inc()
        await Response()(scope, receive, send)

    asyncio.run(CHECKED.check_series(app, registry, "/orders/{}"))
    with pytest.raises(AssertionError, match="a client makes"):
        asyncio.run(CHECKED.check_series(app, registry, "/users/{}"))
