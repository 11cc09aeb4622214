"""What the page on traces claims: real processes, and a collector that the test reads."""

import asyncio
import contextlib
import gzip
import inspect
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx2
import pytest
from celery import Celery
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.propagate import extract
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk._shared_internal import BatchProcessor
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from packaging.requirements import Requirement
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from snippets.observe.traces.whole import roots
from tests.engine.pages import SNIPPETS
from tests.parts import outputs
from tests.parts.keeper import kept
from tests.parts.postgres import Postgres
from tests.parts.server import free_port, serving
from tests.prove.twins import dont

FOLDER = "observe/traces"
HERE = SNIPPETS / FOLDER
BIN = Path(sys.prefix, "bin")
COMMANDS = ["uvicorn --factory traced:create", "celery --app=traced:celery worker"]
CALLS, ROUNDS = 50, 10  # requests of one measurement, and how often it is repeated


INSTRUCTIONS = [
    "Follow a request through every process that serves it",
    "Look here when a confirmation doesn't arrive, and the log of each process says that all went well.",
    "Ask then which request published the task, and how long each process took.",
    "Set up tracing on both sides of each queue, and let the first process decide what is recorded.",
    "Install fastapi, uvicorn, sqlalchemy[asyncio], asyncpg and celery[redis].",
    "Install opentelemetry-sdk, opentelemetry-exporter-otlp-proto-http, opentelemetry-instrumentation-fastapi, opentelemetry-instrumentation-sqlalchemy and opentelemetry-instrumentation-celery too.",
    "Don't instrument the worker alone",
    "Don't trust that an instrumentation works",
    "Do: carry the context into a thread",
    "Don't start a thread without it",
    "Do: carry the context through a table",
    "Let the row of a job carry the context, where you Hand work to a worker and lose nothing:",
    "Do: let the first process decide",
    "Don't let each process decide",
    "Add the database, and look for its spans in a trace.",
    "Add Celery to the publisher and the worker in one release.",
    "Store traceparent with each job that a table keeps.",
    "Add sampling last, once a whole trace was seen.",
    "Copy roots, and let a test assert that a request begins one trace:",
    "Look at one trace after each release of an instrumentation: a test of one process sees no queue.",
]


JUDGEMENTS = [
    "We call a step of a request with its begin and its end a span, and all spans of one request a trace.",
]


@dataclass
class Span:
    """A span that the collector got: its process, its name, its ids and its attributes."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, str]


@dataclass
class Collector:
    """A stand-in for a collector: what it got so far."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        told = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        with self.came:
            for process in told.resource_spans:
                named = {each.key: each.value.string_value for each in process.resource.attributes}
                for span in (span for scope in process.scope_spans for span in scope.spans):
                    attributes = {each.key: each.value.string_value for each in span.attributes}
                    ids = span.trace_id, span.span_id, span.parent_span_id
                    self.spans.append(Span(named["service.name"], span.name, *ids, attributes))
            self.came.notify_all()

    def both(self) -> list[Span]:
        """Return the spans, once a request and a task have ended; forget them."""
        with self.came:
            ended = self.came.wait_for(
                lambda: {"POST /orders/{order}", "run/confirm"} <= {s.name for s in self.spans}, 60
            )
            assert ended, self.spans
            spans, self.spans = self.spans, []
        return spans


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector on the loopback interface, to which each process of these tests exports."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            collector.take(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield collector
        server.shutdown()
        serving.join()


@contextmanager
def run(
    command: str, settings: dict[str, str], answers: Callable[[], object], base: Path | None = None
) -> Iterator[None]:
    """Run one of the page's commands beside its block."""
    base = base or Path(mkdtemp(prefix="traced-"))
    (base / "traced.py").write_text((HERE / "traced.py").read_text())
    program, *options = command.split()
    told = [f"{name}={value}" for name, value in settings.items()]
    with kept(["env", *told, str(BIN / program), *options], base, "TERM", answers):
        yield


@pytest.fixture(scope="module")
def settings(collector: Collector, valkey: str, postgres: Postgres) -> dict[str, str]:
    """The environment of each process."""
    return {
        "BROKER_URL": valkey,
        "DATABASE_URL": f"postgresql+asyncpg:{postgres.create()}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",  # milliseconds, so that no test waits for 5 seconds
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "healthz,readyz",
    }


@pytest.fixture(scope="module")
def worker(settings: dict[str, str]) -> Iterator[None]:
    """The worker of the page, in processes of its own."""
    quiet = " --concurrency=1 --loglevel=warning"
    with run(COMMANDS[1] + quiet, settings, lambda: None):
        yield


@pytest.fixture(autouse=True)
def apart() -> Iterator[None]:
    """Let each app have its own task: Celery hands those of others to each app, also later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("celery._state._on_app_finalizers", set())
        yield


@pytest.fixture
def exports(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is imported and forked here speak to the same broker and collector."""
    for name in settings.keys() - {"DATABASE_URL"}:
        monkeypatch.setenv(name, settings[name])


def post(url: str) -> int:
    """Send a request without a body; return its status."""
    request = urllib.request.Request(url, method="POST")  # noqa: S310  it is ours
    with urllib.request.urlopen(request) as answer:  # noqa: S310  it is ours
        return int(answer.status)


def lazily(create: Callable[[], Any]) -> Any:
    """Return an app that a server makes in its own process, as `--factory` does."""
    made = list[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if not made:
            made.append(create())
        await made[0](scope, receive, send)

    return app


def tree(spans: list[Span], parent: bytes = b"", indent: str = "") -> str:
    """Return spans below each other, each with its process and the first word of its name."""
    below = sorted((s for s in spans if s.parent == parent), key=lambda s: s.name)
    told = ""
    for span in below:
        name = span.name if "/" in span.name else span.name.split()[0]
        told += f"{indent}{span.service}: {name}\n" + tree(spans, span.id, indent + "  ")
    return told


@pytest.mark.holds(
    "Run uvicorn --factory traced:create and celery --app=traced:celery worker, and place an order.",
    "The collector gets one trace from both processes:",
    "Give both processes DATABASE_URL, which make parts prints, BROKER_URL, and OTEL_EXPORTER_OTLP_ENDPOINT, the address of your collector.",
    "Leave out the health checks with OTEL_PYTHON_FASTAPI_EXCLUDED_URLS.",
    "uvicorn ends by the signal and without its clean-up too, so the lifespan calls provider.shutdown(): see Stop without losing a request.",
    "A span keeps the URL with its query, so a token there is stored with it.",
    "The first instrumentation that finds no context makes a trace id.",
)
@pytest.mark.proves(f"{FOLDER}/trace.out")
def test_one_trace_through_all_processes(
    collector: Collector,
    settings: dict[str, str],
    worker: None,
    pytestconfig: pytest.Config,
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = f"{COMMANDS[0]} --port={port}"

    def answers() -> None:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/healthz")  # noqa: S310  it is ours

    late = settings | {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}  # so that it sends at its end
    with run(command, late, answers):
        assert post(f"{url}/orders/4711?token=secret") == 200
    assert "server" in {span.service for span in collector.spans}, "its last spans are lost"
    spans = collector.both()
    assert settings["OTEL_PYTHON_FASTAPI_EXCLUDED_URLS"] == "healthz,readyz"
    assert {"DATABASE_URL", "BROKER_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"} <= settings.keys()
    assert not [span for span in spans if "healthz" in str(span)]
    assert len({span.trace for span in spans}) == 1
    (root,) = [span for span in spans if not span.parent]
    assert (root.name, root.attributes["http.url"]) == (
        "POST /orders/{order}",
        f"{url}/orders/4711?token=secret",
    )
    (query,) = [span for span in spans if span.name.startswith("SELECT")]
    assert "$1" in query.attributes["db.statement"]
    assert "4711" not in str(query.attributes)
    told = tree(spans).splitlines()
    outputs.hold_lines(f"{FOLDER}/trace.out", told, pytestconfig.option.update_examples)


@pytest.mark.usefixtures("worker", "exports")
@pytest.mark.holds(
    "Look at create and begin: the server and the worker each set up their own tracing.",
    "The server publishes the task without a traceparent, and the worker begins a trace of its own.",
    "Each process shows its spans, so each looks traced.",
    "With skip_dep_check=True, it instruments what is installed.",
    "A process that gets no such header begins a new trace.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/traced.py",
        dont(f"{FOLDER}/silent.py", "2 traces of one order"),
        dont(f"{FOLDER}/unchecked.py", "the trace has no query"),
    ],
    indirect=True,
)
def test_each_library_carries_the_request_on(
    snippet: ModuleType,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(lazily(snippet.create)) as server:
        collector.spans.clear()
        assert post(f"{server.url}/orders/7") == 200
        spans = collector.both()
    assert {span.service for span in spans} == {"server", "worker"}
    (ran,) = [span for span in spans if span.name == "run/confirm"]
    begins, provider = list[str](), SimpleNamespace(shutdown=lambda: begins.append("shutdown"))

    def trace_as(name: str) -> SimpleNamespace:
        begins.append(name)
        return provider

    monkeypatch.setattr(snippet, "trace_as", trace_as)
    monkeypatch.setattr(snippet.worker_process_shutdown, "receivers", [])
    stand_in = SimpleNamespace(instrument=lambda: begins.append("Celery"))
    monkeypatch.setattr(snippet, "CeleryInstrumentor", lambda: stand_in)
    snippet.begin()
    snippet.confirm(7)
    snippet.worker_process_shutdown.send(sender=None)
    assert begins == ["worker", "Celery", "shutdown"]
    assert capsys.readouterr().out == "Order 7 is confirmed.\n"
    traces = len({span.trace for span in spans})
    assert (traces == 1) == bool(ran.parent), spans
    assert any(span.name.startswith("SELECT") for span in spans), "the trace has no query"
    assert traces == 1, f"{traces} traces of one order"


@pytest.mark.usefixtures("exports")
@pytest.mark.holds(
    "With --pool=threads, Celery sends no worker_process_init, so nothing is traced: take the default pool, prefork.",
    "A process of that pool ends without its clean-up, so provider.shutdown() sends the spans of its last 5 seconds.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/traced.py"], indirect=True)
def test_the_last_spans_of_a_worker_are_sent(
    snippet: ModuleType,
    collector: Collector,
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    monkeypatch.delenv("OTEL_BSP_SCHEDULE_DELAY")
    delay = BatchSpanProcessor._default_schedule_delay_millis()  # type: ignore[no-untyped-call]  # it has no types
    record_property("figure", f"{delay // 1000} seconds")
    told = settings | {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}  # so that nothing is sent before
    for option, traced in ("--pool=prefork", True), ("--pool=threads", False):
        collector.spans.clear()
        quiet = f" --concurrency=1 --loglevel=warning --queues={option[7:]} {option}"
        base = Path(mkdtemp(prefix="traced-"))
        with run(COMMANDS[1] + quiet, told, lambda: None, base):
            snippet.confirm.apply_async([7], queue=option[7:])
            ends = time.monotonic() + 60
            while "Order 7 is confirmed" not in (base / "log").read_text():
                assert time.monotonic() < ends, (base / "log").read_text()
                time.sleep(0.05)  # it starts
        assert [span.name for span in collector.spans] == ["run/confirm"] * traced
    assert Celery("shop").conf.worker_pool == "prefork"


@pytest.mark.holds(
    "The span of a query has the statement with placeholders, and no value that you bind: a value in the text of the statement is stored.",
    "A query that fails and a request that raises leave their error's message in a span, and the message quotes the value.",
)
def test_a_span_keeps_the_message_of_an_error(postgres: Postgres) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    engine, app = create_async_engine(f"postgresql+asyncpg:{postgres.create()}"), FastAPI()

    @app.get("/query")
    async def query() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT CAST(:age AS int)"), {"age": "S3CRET"})

    @app.get("/bound")
    async def bound() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT CAST(:age AS text)"), {"age": "B0UND"})
            await connection.execute(text("SELECT 'WR1TTEN'"))

    @app.get("/raises")
    async def raises() -> None:
        int("S3CRET")

    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)
    instrumentor = SQLAlchemyInstrumentor()
    options = {"skip_dep_check": True, "tracer_provider": provider}
    instrumentor.instrument(engine=engine.sync_engine, **options)

    async def asked() -> None:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
            for path in ("/query", "/raises"):
                assert (await client.get(path)).status_code == 500
            assert (await client.get("/bound")).status_code == 200
        await engine.dispose()

    try:
        asyncio.run(asked())
    finally:
        instrumentor.uninstrument()
    told = [span.to_json() for span in exporter.get_finished_spans()]
    assert [sum(value in span for span in told) for value in ("B0UND", "WR1TTEN")] == [0, 1]
    keep = {span.name for span in exporter.get_finished_spans() if "S3CRET" in span.to_json()}
    assert {"GET /query", "GET /raises"} < keep
    assert [name for name in keep if name.startswith("SELECT")]


@pytest.mark.holds(
    "Release 0.66b2 of the instrumentation supports sqlalchemy >= 1.0.0, < 2.1.0, and it instruments nothing newer.",
    "It logs one line at the start and raises nothing, and the trace has no query.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unchecked.py"], indirect=True)
def test_what_the_instrumentation_supports(
    snippet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    snippet.SQLAlchemyInstrumentor().instrument(engine=snippet.engine.sync_engine)
    assert not snippet.SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry
    (line,) = caplog.messages
    assert line.endswith("so nothing can be instrumented.")
    assert version("opentelemetry-instrumentation-sqlalchemy") == "0.66b2"
    told = snippet.SQLAlchemyInstrumentor().instrumentation_dependencies()
    assert [*told] == ["sqlalchemy >= 1.0.0, < 2.1.0"]
    assert Requirement(*told).specifier.contains("2.0.9")
    assert not Requirement(*told).specifier.contains(version("sqlalchemy"))


@pytest.mark.usefixtures("exports")
@pytest.mark.holds(
    "Set up the server alone: requests are answered while no collector is there.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/traced.py"], indirect=True)
def test_a_request_needs_no_collector(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with serving(lazily(snippet.create)) as server:
        for _ in range(3):
            with urllib.request.urlopen(f"{server.url}/openapi.json") as answer:  # noqa: S310  it is ours
                assert answer.status == 200


@pytest.mark.holds(
    "asyncio.to_thread gives the thread a copy of the context, and so the span its parent.",
    "By itself, run_in_executor gives the thread no context, and render begins a second trace.",
    "The invoice is right, so a test of the endpoint is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/carried.py", dont(f"{FOLDER}/dropped.py", "2 traces of one invoice")],
    indirect=True,
)
def test_a_thread_carries_the_request_on(snippet: ModuleType) -> None:
    assert asyncio.run(snippet.invoice(7)) == b"Invoice 7"
    spans = snippet.exporter.get_finished_spans()
    assert {span.name for span in spans} == {"invoice", "render"}
    found = sorted(roots(spans))
    assert found[:1] == ["invoice"]
    assert found[1:] in ([], ["render"])
    assert len(found) == 1, f"{len(found)} traces of one invoice"


@pytest.mark.holds(
    "On the spans of carried.py it returns one name, and on those of dropped.py a second name.",
)
@pytest.mark.proves(f"{FOLDER}/whole.py")
def test_the_check_is_red_on_a_lost_context() -> None:
    found = dict[str, list[str]]()
    for name in ("carried.py", "dropped.py"):
        block = ModuleType(name)
        exec(compile((HERE / name).read_text(), name, "exec"), vars(block))  # noqa: S102  it is the block
        asyncio.run(block.invoice(7))
        found[name] = roots(block.exporter.get_finished_spans())
    assert found == {"carried.py": ["invoice"], "dropped.py": ["render", "invoice"]}


@pytest.mark.holds(
    "The worker's own share counts for nothing where the server has decided.",
    "With these shares, most orders that the server records end at the broker.",
    "A caller that sends a traceparent decides too: remove that header from requests that come from outside.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/sampled.py", dont(f"{FOLDER}/uneven.py", "most orders end at the broker")],
    indirect=True,
)
def test_a_trace_is_recorded_whole_or_not_at_all(snippet: ModuleType) -> None:
    cut, names = snippet.orders(1000), [s.name for s in snippet.exporter.get_finished_spans()]
    assert 300 < names.count("order") < 700  # half of 1000 coins
    header = {"traceparent": "00-" + "f" * 32 + "-" + "1" * 16 + "-01"}
    forced = snippet.process(0.0).get_tracer("").start_span("order", context=extract(header))
    assert forced.is_recording() == (cut == 0)
    assert cut < names.count("order") / 2, "most orders end at the broker"
    assert cut == 0


@pytest.mark.holds(
    "The decision comes before the request fails, so with one request of ten most failures have no trace.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/sampled.py"], indirect=True)
def test_most_failures_have_no_trace(snippet: ModuleType) -> None:
    tracer = snippet.process({"one request of ten": 1 / 10}["one request of ten"]).get_tracer(
        "shop"
    )
    for _ in range(1000):
        with (
            contextlib.suppress(ConnectionError),
            tracer.start_as_current_span("order") as span,
        ):
            assert span.is_recording() == span.get_span_context().trace_flags.sampled
            raise ConnectionError
    assert 0 < len(snippet.exporter.get_finished_spans()) < 500


@pytest.mark.holds(
    "A process that stops waits for a silent collector, up to 10 seconds for each 512 spans, and 30 seconds in all: export a smaller OTEL_EXPORTER_OTLP_TIMEOUT.",
)
@pytest.mark.proves(f"{FOLDER}/traced.py")
def test_a_stop_waits_for_the_collector(
    monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    happened = list[str]()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            waits.wait(0.5)  # seconds, in which a stop that doesn't wait would end
            happened.append("answered")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    waits = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{server.server_port}/v1/traces")
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter))
        batch = BatchSpanProcessor._default_max_export_batch_size()  # type: ignore[no-untyped-call]  # it has no types
        for _ in range(batch + 1):
            provider.get_tracer("shop").start_span("order").end()
        provider.shutdown()
        happened.append("ended")
        server.shutdown()
        serving.join()
    assert happened == ["answered", "answered", "ended"]
    record_property("figure", f"{batch} spans")
    stops = inspect.signature(BatchProcessor.shutdown).parameters["timeout_millis"]
    record_property("figure", f"{stops.default // 1000} seconds")
    record_property("figure", f"{exporter._client._timeout:g} seconds")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    assert OTLPSpanExporter()._client._timeout == 2


@pytest.mark.holds(
    "To set it without code, export OTEL_TRACES_SAMPLER=parentbased_traceidratio and OTEL_TRACES_SAMPLER_ARG=0.1.",
    "If you don't know how much to record, record one request of ten.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/sampled.py"], indirect=True)
def test_the_environment_sets_the_sampler(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.1"):
        monkeypatch.setenv(*setting.split("="))
    told = TracerProvider().sampler.get_description()
    assert told == snippet.sampler(1 / 10).get_description()


@pytest.mark.holds(
    "With OTEL_SDK_DISABLED=true, a row has no traceparent: let the column be empty, and the relay begins a trace of its own.",
    "Between processes, the header traceparent carries the id of the trace, the id of the span, and whether it is sampled.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/stored.py"], indirect=True)
def test_a_row_carries_the_request_on(snippet: ModuleType) -> None:
    row = snippet.store(7)
    snippet.relay(row)
    stored, relayed = snippet.exporter.get_finished_spans()
    assert roots([stored, relayed]) == ["store"]
    told = stored.context
    wanted = f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}"
    assert (row["order"], row["traceparent"]) == (7, wanted)
    snippet.relay({"order": 7, "traceparent": None})
    assert roots(snippet.exporter.get_finished_spans()) == ["store", "relay"]
    code = f"import runpy; block = runpy.run_path({snippet.__file__!r}); row = block['store'](7)"
    name, _, on = "OTEL_SDK_DISABLED=true".partition("=")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(row); block['relay'](row)"],
        env={**os.environ, name: on},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "{'order': 7, 'traceparent': None}\n", done.stderr


SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "headers": [],
}
SCOPE |= {"query_string": b"", "scheme": "http", "root_path": "", "raw_path": b"/"}


async def spent(app: Any) -> float:
    """Return the processor time that some requests take, in seconds."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None: ...

    before = time.thread_time()
    for _ in range(CALLS):
        await app(dict(SCOPE), receive, send)
    return time.thread_time() - before


def ratios() -> tuple[dict[str, float], list[int]]:
    """Return what a request takes with each way to trace, as a multiple of what it takes bare.

    With it goes how many spans a request makes with each.
    """
    exporters = dict[str, InMemorySpanExporter]()
    nothing = {"exclude_spans": ["send", "receive"]}
    ways: dict[str, tuple[Any, Any]] = {
        "none": (None, {}),
        "no request sampled": (sampling.ParentBased(sampling.ALWAYS_OFF), {}),
        "all sampled": (sampling.ParentBased(sampling.ALWAYS_ON), {}),
        "all, fewer spans": (sampling.ParentBased(sampling.ALWAYS_ON), nothing),
    }
    apps, took = dict[str, Any](), dict[str, list[float]]()
    for way, (sampler, options) in ways.items():
        app = apps[way] = FastAPI()
        app.get("/")(lambda: None)
        if sampler:
            provider = TracerProvider(sampler=sampler)
            exporters[way] = InMemorySpanExporter()
            provider.add_span_processor(SimpleSpanProcessor(exporters[way]))
            FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, **options)
    for _ in range(ROUNDS):
        for way, app in apps.items():
            took.setdefault(way, []).append(asyncio.run(spent(app)))
    made = [len(each.get_finished_spans()) // (CALLS * ROUNDS) for each in exporters.values()]
    return {way: round(min(each) / min(took["none"]), 1) for way, each in took.items()}, made


@pytest.mark.holds(
    "An endpoint that does nothing takes more processor time with tracing, even where no request is sampled.",
    'exclude_spans=["send", "receive"] leaves out the spans of each message, two of three here.',
)
@pytest.mark.proves(f"{FOLDER}/traced.py")
def test_what_tracing_costs() -> None:
    fresh, made = ratios()
    assert min([*fresh.values()][1:]) > 1.2
    assert fresh["none"] == 1
    assert made == [0, {"three": 3}["three"], 3 - {"two": 2}["two"]]
    assert 'exclude_spans=["send", "receive"]' in (HERE / "traced.py").read_text()
