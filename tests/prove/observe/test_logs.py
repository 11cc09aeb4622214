"""What the page on logs claims."""

import asyncio
import builtins
import contextvars
import importlib.util
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import fastapi
import httpx2
import pytest
import structlog
from fastapi.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    get_contextvars,
)
from structlog.tracebacks import ExceptionDictTransformer

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.evidence import failing
from tests.parts.server import asked, serving
from tests.parts.service import BIN, SERVICE
from tests.prove.sentences import sentences
from tests.prove.twins import dont

FOLDER = "observe/logs"
CARD = "4000-0000"
FORGED = "ann\n2100-01-01 [info     ] login_done name=bob"
PLANTED = """
log = structlog.get_logger()

def login(name: str) -> None:
    log.info(f"login failed: {name}")
"""
ROWS = {row.text for row in sentences(DOCS / f"{FOLDER}.md") if row.kind == "row"}
LOGS = "service/src/accounts/logs.py"
TRACEBACKS = "service/src/accounts/tracebacks.py"
LINE = "tests/test_middleware.py::test_a_request_has_an_id_and_one_line"
TRUSTED = "tests/test_middleware.py::test_an_id_that_could_harm_the_log_is_replaced"
CREATED = "tests/test_middleware.py::test_a_creation_tells_which_message_follows_and_not_to_whom"
QUOTED = "tests/test_logs.py::test_what_ends_the_process_is_logged"
QUOTING = "tests/test_logs.py::test_the_message_of_an_error_that_quotes_is_left_out"
NAMED = "tests/test_logs.py::test_an_error_of_a_parser_is_named_and_not_quoted"
MASKED = "tests/test_logs.py::test_a_value_is_hidden_wherever_it_is"
STAYS = "tests/test_logs.py::test_what_is_no_secret_stays"
SURPRISE = "tests/test_middleware.py::test_a_surprise_is_answered_logged_and_counted"
BROKEN = "tests/test_middleware.py::test_a_stream_that_breaks_is_logged"
SERVER = "tests/survival/test_secrets.py::test_no_secret_is_logged"
OTHERS = "tests/survival/test_secrets.py::test_worker_relay_and_migration_log_none_either"
Holds = Callable[[], None]
Lines = list[dict[str, Any]]


INSTRUCTIONS = [
    "Write each log line as JSON, and no secret in it",
    "Log each event once, under a fixed name, with the id of its request and the ids of its rows as fields.",
    "If you don't know whether a value may be logged, log the id of its row in its place.",
    "Install structlog.",
    "Look at show_locals=False: the function that fails holds a card number.",
    "Don't log as structlog does by itself",
    "Don't take dict_tracebacks as it is",
    "Do: take the id along",
    "Don't lose the id in a thread",
    "Do: unbind at the end",
    "Don't leave a value bound",
    "Configure the log before all else, in each process: server, worker, relay and scheduler.",
    "Send the lines of libraries through the same processors.",
    "Bind the request's id in a middleware, and log each request there.",
    "Replace each f-string in an event by a fixed name and fields.",
    "Take log.exception away from each place that raises again.",
    "Read each new field in review: no tool sees a name that a developer puts into it.",
]


JUDGEMENTS = [
    "We call a log in which each line is one JSON object a structured log.",
]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """What structlog was told, forgotten at the end."""
    yield
    structlog.reset_defaults()


def written(snippet: ModuleType, work: Callable[[], object]) -> str:
    """Return what a snippet's logger writes while some work is done."""
    output = io.StringIO()
    snippet.configure(output)
    work()
    return output.getvalue()


def kept(work: Callable[[], object], *, bound: bool = True) -> Lines:
    """Return the lines of some work, with what is bound to them."""
    output, plain = io.StringIO(), ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            *([structlog.contextvars.merge_contextvars] if bound else []),
            structlog.processors.add_log_level,
            structlog.processors.ExceptionRenderer(plain),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    contextvars.Context().run(work)  # what it leaves bound is no other test's
    return [json.loads(line) for line in output.getvalue().splitlines()]


def is_json(line: str) -> bool:
    """Tell whether a line is one JSON object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.holds(
    "Or an error is logged, and the traceback shows the card number of the client.",
    "The traceback is a field of the line, so the line of an error is one line too.",
    "Without a processor that renders JSON, structlog writes text for a terminal.",
    "Each line is JSON, and the card number stands in a field called locals, with or without rich.",
    "A test that only reads the names of the events is green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/structured.py",
        dont(f"{FOLDER}/default.py", "a line is no JSON object"),
        dont(f"{FOLDER}/showing.py", "the log holds the card number"),
    ],
    indirect=True,
)
@pytest.mark.parametrize("rich", [True, False])
def test_an_error_is_one_line_without_its_locals(
    snippet: ModuleType, rich: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importlib.util.find_spec("rich"), "with it, tracebacks could show local variables"
    if not rich:
        monkeypatch.setattr(structlog.tracebacks, "rich", None)
    text = written(snippet, lambda: snippet.charge(7, CARD))
    assert all(map(is_json, text.splitlines())), "a line is no JSON object"
    (line,) = map(json.loads, text.splitlines())
    assert (line["event"], line["order_id"], "exception" in line) == ("charge_failed", 7, True)
    assert ("locals" in text) == (CARD in text)
    assert CARD not in text, "the log holds the card number"


@pytest.mark.holds(
    "Where rich is installed, as it is by many tools for development, the traceback shows the local variables.",
)
@pytest.mark.proves(f"{FOLDER}/default.py")
def test_with_rich_a_traceback_shows_local_variables() -> None:
    run = f"import runpy; runpy.run_path({str(SNIPPETS / FOLDER / 'default.py')!r}, run_name='__main__')"
    for before, shows in ("", True), ("import sys; sys.modules['rich'] = None; ", False):
        command = [sys.executable, "-c", before + run]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert f"the card is there: {shows}" in done.stdout


@pytest.mark.holds(
    'An event such as f"login failed: {name}" may hold a line break, and then whoever chose the name writes a line of their own into this log.',
    "JSONRenderer escapes the line break, and Ruff reports such an event of log or logger with G004, where you select G.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/structured.py", dont(f"{FOLDER}/default.py", "1 event is 2 lines")],
    indirect=True,
)
def test_a_name_writes_no_line(snippet: ModuleType, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    for logger, select, reported in [
        ("log", "G", True),
        ("logger", "G", True),
        ("audit", "G", False),
        ("log", "E,F", False),  # the default
    ]:
        planted.write_text(PLANTED.replace("log", logger, 1).replace("log.", f"{logger}."))
        command = ["ruff", "check", "--isolated", f"--select={select}", str(planted)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert ("G004" in done.stdout) == reported, (logger, select)

    def login(name: str) -> None:
        snippet.log.info(f"login failed: {name}")  # noqa: G004  it is what is warned of

    lines = written(snippet, lambda: login(FORGED)).splitlines()
    assert len(lines) == 1, f"1 event is {len(lines)} lines"


@pytest.mark.holds(
    "JSONRenderer raises where the key of a dictionary is a tuple, and writes NaN, which is no JSON: log text and whole numbers.",
    "It doesn't hide the message of the error.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/structured.py"], indirect=True)
def test_what_a_line_does_not_hide(snippet: ModuleType) -> None:
    with pytest.raises(TypeError, match="not tuple"):
        written(snippet, lambda: snippet.log.info("priced", by={("EUR", 1): 2}))
    line = written(snippet, lambda: snippet.log.info("priced", share=float("nan")))

    def refused(constant: str) -> None:
        raise ValueError(constant)

    with pytest.raises(ValueError, match="NaN"):
        json.loads(line, parse_constant=refused)

    def quoting() -> None:
        try:
            int(CARD)
        except ValueError:
            snippet.log.exception("charge_failed")

    assert CARD in written(snippet, quoting)


def cost(work: Callable[[], object]) -> float:
    """Return the least time of the processor that some work takes, of some tries."""
    tries = list[float]()
    for _ in range(5):
        before = time.process_time()
        for _ in range(40):
            work()
        tries.append(time.process_time() - before)
    return min(tries)


@pytest.mark.holds(
    "A line below INFO reaches no processor and costs less than half of a written one, but Python computes its arguments all the same.",
    "A line with a traceback costs at least twice as much as one without.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/structured.py"], indirect=True)
def test_what_a_line_costs(snippet: ModuleType) -> None:
    snippet.configure(io.StringIO())
    log, computed = snippet.log, list[int]()

    def total() -> int:
        computed.append(7)
        return 7

    log.debug("order_priced", total=total())
    assert computed == [7]
    assert written(snippet, lambda: snippet.log.debug("order_priced")) == ""
    below, line = (cost(lambda say=say: say("order_priced")) for say in (log.debug, log.info))  # type: ignore[misc]  # mypy infers no default
    traceback = cost(lambda: snippet.charge(7, CARD))
    assert below * 2 < line
    without = cost(lambda: snippet.log.error("charge_failed", order_id=7))
    assert traceback > 2 * without


@pytest.mark.holds(
    "An incident runs, and nobody can find the lines of one request among those of the others.",
    "With merge_contextvars as a processor, bound_contextvars gives all lines of structlog in its block the id, those of other functions too.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/carried.py", dont(f"{FOLDER}/lost.py", "invoice_written has no id")],
    indirect=True,
)
def test_each_line_has_the_id(snippet: ModuleType) -> None:
    without = kept(lambda: asyncio.run(snippet.close_order(7, "r-1")), bound=False)
    assert not [line for line in without if "request_id" in line]
    lines = kept(lambda: asyncio.run(snippet.close_order(7, "r-1")))
    assert [line["event"] for line in lines] == ["invoice_written", "order_closed"]
    for line in lines:
        assert line.get("request_id") == "r-1", f"{line['event']} has no id"


@pytest.mark.holds(
    "The id follows a task, and not each thread",
    "Code that the request starts | Has the id that a middleware bound",
    "asyncio.create_task | yes",
    "asyncio.to_thread | yes",
    "a def endpoint of FastAPI | yes",
    "BackgroundTasks of FastAPI | yes",
    "loop.run_in_executor | no",
    "threading.Thread | no",
)
def test_where_the_id_is_carried() -> None:
    had = dict[str, bool]()

    def note(way: str) -> None:
        had[way] = get_contextvars() == {"request_id": "r-1"}

    async def in_a_task() -> None:
        note("asyncio.create_task")

    app = fastapi.FastAPI()

    @app.get("/")
    def endpoint(tasks: fastapi.BackgroundTasks) -> None:
        tasks.add_task(note, "BackgroundTasks of FastAPI")
        note("a def endpoint of FastAPI")

    async def start() -> None:
        with bound_contextvars(request_id="r-1"):
            await asyncio.create_task(in_a_task())
            await asyncio.to_thread(note, "asyncio.to_thread")
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, note, "loop.run_in_executor")
            thread = threading.Thread(target=note, args=["threading.Thread"])
            thread.start()
            thread.join()
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
                assert (await client.get("/")).status_code == 200

    asyncio.run(start())
    assert {f"{way} | {'yes' if has else 'no'}" for way, has in had.items()} <= ROWS
    assert len(had) == 6


@pytest.mark.holds(
    "An endpoint that binds by with bound_contextvars binds nothing for its BackgroundTasks, and a def dependency binds nothing for its endpoint.",
)
def test_what_an_endpoint_binds_ends_with_it() -> None:
    had, app = dict[str, dict[str, Any]](), fastapi.FastAPI()

    def note(where: str) -> None:
        had[where] = get_contextvars()

    def binding() -> None:
        bind_contextvars(request_id="r-1")

    @app.get("/", dependencies=[fastapi.Depends(binding)])
    def endpoint(tasks: fastapi.BackgroundTasks) -> None:
        note("before")
        with bound_contextvars(request_id="r-2"):
            note("within")
            tasks.add_task(note, "in the background")

    asyncio.run(got(app))
    assert had == {"before": {}, "within": {"request_id": "r-2"}, "in the background": {}}


@pytest.mark.holds(
    "The second job has no user, and its line names the user of the first.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/bound.py", dont(f"{FOLDER}/left.py", "job 2 has the user of job 1")],
    indirect=True,
)
def test_a_job_has_no_value_of_another(snippet: ModuleType) -> None:
    jobs = [{"job_id": 1, "user_id": 7}, {"job_id": 2}]
    first, second = kept(lambda: snippet.work(jobs))
    assert first["user_id"] == 7
    assert second.get("user_id") != 7, "job 2 has the user of job 1"


@pytest.mark.holds(
    "Where both places log, one failure is two errors, and an alert that counts them counts double.",
)
def test_a_failure_that_is_logged_and_raised_is_two_errors() -> None:
    log = structlog.get_logger()

    def read_price() -> None:
        raise ConnectionError("refused")

    def fails(*, logs: bool) -> None:
        try:
            read_price()
        except ConnectionError:
            if logs:
                log.exception("price_unknown")
            raise

    def answer(*, logs: bool) -> None:
        try:
            fails(logs=logs)
        except ConnectionError:
            log.exception("request_failed")

    for logs, errors in {True: 2, False: 1}.items():
        lines = kept(lambda logs=logs: answer(logs=logs))  # type: ignore[misc]  # mypy infers no default
        assert [line["level"] for line in lines] == ["error"] * errors


def told(path: str) -> str:
    """Return a file of the service."""
    return (SNIPPETS / path).read_text()


def quoting() -> set[str]:
    """Return the names of the errors whose messages the service leaves out."""
    listed = told(TRACEBACKS).partition("QUOTING = (")[2].partition(")")[0]
    return set(re.findall(r"\w+", listed))


@pytest.mark.holds("uvicorn, Celery and SQLAlchemy log through the standard library.")
@pytest.mark.proves("service/tests/test_middleware.py")
def test_libraries_log_through_the_standard_library() -> None:
    asked = "import logging, celery.app.trace, sqlalchemy.log, uvicorn.server"
    asked += "; print(*logging.root.manager.loggerDict)"
    command = [str(BIN / "python"), "-c", asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {"celery.app.trace", "sqlalchemy", "uvicorn.error"} <= {*done.stdout.split()}


@pytest.mark.holds(
    "The lines of libraries are JSON too",
    "The service gives the handler of its root logger the same processors, by structlog's ProcessorFormatter.",
)
@pytest.mark.service(NAMED)
@pytest.mark.proves("service/tests/test_middleware.py")
def test_a_line_of_a_library_is_json(service: Holds) -> None:
    service()
    assert '"()": structlog.stdlib.ProcessorFormatter' in told(LOGS)
    assert "*SHARED," in told(LOGS)
    assert '"root": {"level": "INFO", "handlers": ["stdout"]}' in told(LOGS)


@pytest.mark.holds(
    "Each request that reaches the app is one line",
    "This is the end of the service's middleware:",
    "The line has the template of the route.",
    "A path has the id of a user in it, and each user makes another path: log the route, so that you can count the lines by it.",
    "Send a request that holds a secret, and compare the whole line:",
)
@pytest.mark.service(LINE)
@pytest.mark.proves("service/src/accounts/middleware/request_log.py")
def test_a_request_is_one_line(service: Holds) -> None:
    service()
    assert '"route": "/users/{user_id}",' in told("service/tests/test_middleware.py")
    assert '"/users/7?password=s3cret"' in told("service/tests/test_middleware.py")


@pytest.mark.holds(
    "Don't take each id from the client",
    "The service takes an id of at most 64 plain characters.",
    "Without that rule, a client writes any text into your log.",
    "With the rule, a client can still repeat the id of another request: let your proxy overwrite the header.",
)
@pytest.mark.service(f"{TRUSTED}[a b]", LINE)
@pytest.mark.parametrize("patch", [None, failing(f"{FOLDER}/trusted.patch", "assert 3 == 32")])
def test_a_client_chooses_no_line(service: Holds, patch: str | None, record_property: Any) -> None:
    service()
    given = (
        'headers={"X-Request-ID": "a-1"}\n    )\n    assert answer.headers["X-Request-ID"] == "a-1"'
    )
    assert given in told("service/tests/test_middleware.py")
    (most,) = re.findall(r"\{1,(\d+)\}", told("service/src/accounts/middleware/request_log.py"))
    record_property("figure", f"{most} plain")


@pytest.mark.holds(
    "Answers of uvicorn itself, such as a 400 to a line that is no HTTP, have no such line.",
)
@pytest.mark.proves("service/src/accounts/middleware/request_log.py")
def test_what_is_no_request_has_no_line() -> None:
    reached = list[str]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    with serving(app) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"NO HTTP\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert "http" not in reached


def of_the_service(code: str) -> str:
    """Return what some code prints where the service is installed."""
    done = subprocess.run(
        [str(BIN / "python"), "-c", code],
        cwd=SERVICE / "src",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


UNMASKED = """
from accounts.logs import Mask

mask = Mask()
mask.hide(['s3cr"et', "abc"])
told = ["ann@example.org", "ann%40example.org", 's3cr"et', r"s3cr\\"et", "abc"]
told += ["Ann Miller", "sk_live_4f2a"]  # a name, and a key of another service
print(*[mask.hidden(each) for each in told], sep="\\n")
"""
NOTED = f"""
from accounts.tracebacks import described

error = RuntimeError("failed")
error.add_note("{CARD}")
print(described((RuntimeError, error, None)))
"""


@pytest.mark.holds(
    "It finds no address whose @ is written as %40, no secret that is written in another way, and none of less than 4 characters.",
    "It leaves out the notes of each error too.",
    "A mask knows no name and no key of another service, so never rely on it:",
)
@pytest.mark.proves("service/tests/test_middleware.py")
def test_what_a_mask_does_not_find(record_property: Any) -> None:
    *found, name, key = of_the_service(UNMASKED).splitlines()
    assert (name, key) == ("Ann Miller", "sk_live_4f2a")
    hidden = "[hidden]"
    assert found == [hidden, "ann%40example.org", hidden, r"s3cr\"et", "abc"]
    assert found[1] == "ann@example.org".replace("@", "%40")
    (shortest,) = re.findall(r"^SHORTEST = (\d)", told(LOGS), re.MULTILINE)
    record_property("figure", f"{shortest} characters")
    noted = of_the_service(NOTED)
    assert "failed" in noted and CARD not in noted


@pytest.mark.holds(
    "An error quotes what it was given",
    "A traceback without local variables still ends in a message: int(password) quotes the password there, and BANKS[card] the card.",
    "The service leaves out the message of a ValueError, a KeyError, an OSError, and an error of the database: see described in snippets/service/src/accounts/tracebacks.py.",
    "Don't log the message of each error",
    "No local variable is in the traceback now, and the secret is in the log again.",
    "A RuntimeError keeps its message in the service too, so never write a secret into one.",
)
@pytest.mark.service(QUOTED, QUOTING, SURPRISE)
@pytest.mark.parametrize(
    "patch", [None, failing(f"{FOLDER}/quoting.patch", "assert 'S3CRET' not in")]
)
def test_an_error_is_named(service: Holds, patch: str | None) -> None:
    service()
    assert {"ValueError", "KeyError", "OSError", "SQLAlchemyError", "PostgresError"} <= quoting()
    assert not [
        name for name in quoting() if issubclass(RuntimeError, vars(builtins).get(name, ()))
    ]
    password, card, BANKS = "S3CRET", CARD, dict[str, str]()  # noqa: N806  as on the page
    with pytest.raises(ValueError, match="S3CRET"):
        int(password)
    with pytest.raises(KeyError, match=CARD):
        BANKS[card]


@pytest.mark.holds(
    "A mask is the last line",
    "A mask knows no name and no key of another service, so never rely on it:",
    "In each value and in each key, the service hides e-mail addresses, JSON Web Tokens and the secrets of its settings: see Mask in snippets/service/src/accounts/logs.py.",
    "Never in a line | What stands in its place",
    "a password, a key or a token | nothing",
    "an e-mail address or a name | the id of the user",
    "a path or a query | the template of the route",
    "the body of a request | the status",
    "Plant a secret in each place where your processes hold one, and search all that they wrote.",
    "The service does so in tests/survival/test_secrets.py: server, worker, relay and migration write JSON, and no planted secret.",
)
@pytest.mark.service(MASKED, STAYS, LINE, CREATED, SERVER, OTHERS)
@pytest.mark.proves("service/tests/test_middleware.py")
def test_no_process_writes_a_secret(service: Holds) -> None:
    service()
    assert "class Mask:" in told(LOGS)
    assert '"ann@example.org": 1' in told("service/tests/test_logs.py"), "a key too"
    names = 'names = "PLANTED", "TOKEN_KEY", "PASSWORD", "EMAIL", "NAME"'
    assert names in told("service/tests/survival/test_secrets.py")


@pytest.mark.holds(
    "An error that no handler knows is logged there, once, with the id that the client gets.",
)
@pytest.mark.service(SURPRISE)
@pytest.mark.proves("service/src/accounts/middleware/request_log.py")
def test_a_surprise_is_logged_once(service: Holds) -> None:
    service()
    assert "failed, line = lines(capsys)" in told("service/tests/test_middleware.py")


@pytest.mark.holds(
    "When a request stores a job, log message_id beside request_id: the service's worker binds message_id.",
)
@pytest.mark.service(CREATED)
@pytest.mark.proves("service/tests/test_middleware.py")
def test_a_job_is_found_by_its_id(service: Holds) -> None:
    service()
    bound = "with structlog.contextvars.bound_contextvars(message_id=str(message_id)):"
    assert bound in told("service/src/accounts/tasks.py")
    assert "request_id=known_as" in told("service/src/accounts/middleware/request_log.py")


@pytest.mark.holds(
    "For a stream that breaks, uvicorn adds a line without the id: ASGI callable returned without completing response.",
)
@pytest.mark.service(BROKEN)
@pytest.mark.proves("service/src/accounts/middleware/request_log.py")
def test_uvicorn_adds_a_line(service: Holds, caplog: pytest.LogCaptureFixture) -> None:
    service()

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":  # as the service does, it raises nothing
            await send({"type": "http.response.start", "status": 200, "headers": []})

    with pytest.raises(aiohttp.ClientError):
        asked(breaks, "GET /")
    added = "ASGI callable returned without completing response."
    assert [r.getMessage() for r in caplog.records if r.name == "uvicorn.error"] == [added]


@pytest.mark.holds(
    "Write it as a class around the app: BaseHTTPMiddleware doesn't see what an async def endpoint binds.",
)
def test_a_class_around_the_app_sees_what_is_bound() -> None:
    seen = list[dict[str, Any]]()

    class Around:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *args: Any) -> None:
            await self.app(*args)
            seen.append(get_contextvars())

    async def endpoint() -> None:  # an `async def` endpoint
        bind_contextvars(user_id=7)

    async def decorated(request: fastapi.Request, call_next: Any) -> Any:
        answer = await call_next(request)
        seen.append(get_contextvars())
        return answer

    for middleware in Middleware(Around), Middleware(BaseHTTPMiddleware, dispatch=decorated):
        app = fastapi.FastAPI(middleware=[middleware])
        app.get("/")(endpoint)
        asyncio.run(got(app))
    assert seen == [{"user_id": 7}, {}]


async def got(app: Any) -> None:
    """Ask an app once, with nothing bound before."""
    clear_contextvars()
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        assert (await client.get("/")).status_code == 200
