"""What the page on background work claims."""

import asyncio
import functools
import gc
import importlib.util
import os
import runpy
import signal
import socket
import subprocess
import sys
import urllib.request
import weakref
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.postgres import column
from tests.parts.server import commanded, serving

FOLDER = "concurrency/background"
ANN, BOB = "ann@example.org", "bob@example.org"


INSTRUCTIONS = [
    "Write the job into the database in the transaction that makes it necessary, and let a worker do it.",
    "If you don't know whether the work may be lost, store the job.",
    "Run both",
    "Install fastapi, uvicorn, sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Run make parts in a clone of this project, if you have no PostgreSQL at hand: it starts a server for you, until you press Ctrl-C.",
    "Start the app in the folder of the files: uvicorn signup:app.",
    "Sign a user up: curl -X POST http://127.0.0.1:8000/users/ann@example.org.",
    "Stop the app, so that nothing but the database knows of the job.",
    'Start the worker: python -c "import asyncio, worker; asyncio.run(worker.main())".',
    "End it with Ctrl-C.",
    "Don't: start a task and answer",
    "Take them for work that may be lost, such as a count of visits.",
    "Create the table of jobs with a migration, in the database of the data.",
    "Add the job in the transaction of the use case, where you store the data.",
    "Start the worker as a process of its own, beside your app.",
    "Count the jobs that are due, and those that stay after their last try.",
    "Take a broker such as Valkey or RabbitMQ, with a library such as Celery, for priorities, schedules, or more jobs than the database should carry.",
    "Let the table of jobs feed it.",
    "Search for transactional outbox, the name of this pattern, to read what others do.",
    "Install ruff, and run its rule RUF006 over the block that stores the job, and over the one that forgets it:",
    "Write two tests of your own use case:",
    "Stop the process after the response, start a worker, and look for the mail.",
    "Let one mail fail, and look for the next one.",
]


JUDGEMENTS = [
    "We call work that the response needn't wait for, and that must be done all the same, a job.",
    "We call the table that keeps the jobs a job queue, and a process that does them a worker.",
    "We call this at least once: a job is tried until it is done or its tries run out, so it may be done twice.",
]


def loaded(name: str, folder: str = FOLDER) -> ModuleType:
    """Return a block of a page, imported anew, for the database of this test."""
    spec = importlib.util.spec_from_file_location(name, SNIPPETS / folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def sign_up(engine: AsyncEngine, email: str = ANN, module: Any = None) -> None:
    """Sign a user up as the endpoint does, over an engine that the caller closes."""
    endpoint: Any = module or loaded("signup")
    endpoint.engine = engine
    await endpoint.sign_up(email)


async def sign_up_both(engine: AsyncEngine) -> None:
    """Sign two users up, one after the other."""
    await sign_up(engine, ANN)
    await sign_up(engine, BOB)


def run(database: str, *steps: Any) -> list[Any]:
    """Do each step as a process of its own would, on one database, and return the results."""

    async def step(work: Any) -> Any:
        engine = create_async_engine(database)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    async def tables(engine: AsyncEngine) -> None:
        signup = loaded("signup")
        async with engine.begin() as connection:
            await connection.execute(signup.SIGNUPS)
            await connection.execute(signup.JOBS)

    asyncio.run(step(tables))
    return [asyncio.run(step(work)) for work in steps]


@pytest.fixture
def prompt(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The snippet, with a mail service that needs one turn of the event loop."""
    clock.at_once(snippet, monkeypatch)
    return snippet


async def commits(engine: AsyncEngine, doing: Coroutine[Any, Any, None]) -> int:
    """Return how many transactions something commits on an engine."""
    committed = list[object]()
    event.listen(engine.sync_engine, "commit", committed.append)
    await doing
    return len(committed)


@pytest.mark.holds(
    "Store the job with the data",
    "A user signs up, the response is sent, and the welcome e-mail never arrives.",
    "Look at sign_up: it stores two rows in one transaction, the user and the job, and sends no mail.",
    "This is called fire and forget: the request starts a task with asyncio.create_task, and nobody waits for it.",
    "Ruff's RUF006 finds a task that nobody keeps.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/signup.py",
        pytest.param(
            f"{FOLDER}/forgotten.py",
            marks=[
                pytest.mark.xfail(  # the task ends with the process, and nobody knows of it
                    strict=True, raises=pytest.RaisesExc(AssertionError, match="it is lost")
                ),
                pytest.mark.finding("ruff", "RUF006", line=43),
            ],
        ),
    ],
    indirect=True,
)
def test_the_welcome_survives_the_process(snippet: ModuleType, database: str) -> None:
    worker = loaded("worker")

    async def request(engine: AsyncEngine) -> int:
        return await commits(engine, sign_up(engine, module=snippet))

    counted, _ = run(database, request, worker.work)
    assert counted == 1
    assert [*getattr(snippet, "sent", []), *worker.sent] == [ANN], "it is lost"


@pytest.mark.holds(
    "The worker is a second process, which reads the same database.",
    "The process that answered has ended, and the mail was sent.",
    "The worker prints:",
)
@pytest.mark.proves(f"{FOLDER}/run.out")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_a_worker_does_what_an_app_that_has_ended_stored(
    snippet: ModuleType, database: str, tmp_path: Path
) -> None:
    for name in ("signup.py", "worker.py"):
        (tmp_path / name).write_text((SNIPPETS / FOLDER / name).read_text())
    with commanded(tmp_path, "signup:app") as (url, app):
        asked = urllib.request.Request(f"{url}/users/{ANN}", method="POST")  # noqa: S310  ours
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert direct.open(asked).status == 201
        assert column(database, "SELECT email FROM jobs") == [ANN]
        app.terminate()
        app.wait()
    with subprocess.Popen(
        [sys.executable, "-u", "-c", "import asyncio, worker; asyncio.run(worker.main())"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where Ctrl-C leaves its traceback
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        clock.wait(lambda: not column(database, "SELECT id FROM jobs"))
        process.send_signal(signal.SIGINT)
        printed += process.stdout.read()
    assert printed == (SNIPPETS / FOLDER / "run.out").read_text()


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/signup.py", f"{FOLDER}/forgotten.py"], indirect=True
)
def test_the_app_creates_its_tables_at_each_start(snippet: Any, database: str) -> None:
    async def start_and_end() -> None:
        for email in (ANN, BOB):
            snippet.engine = create_async_engine(database)
            async with snippet.lifespan(snippet.app):
                await snippet.sign_up(email)

    asyncio.run(start_and_end())
    assert column(database, "SELECT email FROM signups ORDER BY email") == [ANN, BOB]


@pytest.mark.parametrize("other_first", [True, False])
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/signup.py", f"{FOLDER}/forgotten.py"], indirect=True
)
def test_a_reader_of_another_page_may_keep_its_database(
    snippet: Any, database: str, other_first: bool
) -> None:
    async def sign_up() -> None:
        snippet.engine = create_async_engine(database)
        async with snippet.lifespan(snippet.app):
            await snippet.sign_up(ANN)

    async def create() -> None:
        users: Any = loaded("users", "concurrency/endpoints")
        async with users.lifespan(users.app), users.sessions() as session:
            await users.create_user(users.UserCreate(name="Ann"), session)

    for use in (create, sign_up) if other_first else (sign_up, create):
        asyncio.run(use())


@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_main_runs_the_worker_on_the_database_of_the_variable(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = list[str]()

    async def note(engine: AsyncEngine) -> None:
        urls.append(engine.url.render_as_string(hide_password=False))

    monkeypatch.setattr(snippet, "run", note)
    asyncio.run(snippet.main())
    assert urls == [database]


@pytest.mark.holds(
    "Look at run: it calls work again and again, and waits a second when there was no job or an error.",
    "An error is logged, and the next call takes the next job.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_the_worker_goes_on_after_an_error_and_pauses_without_a_job(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns, done = iter([True, OSError("no mail"), True, False, True]), list[Any]()

    async def work(_: None) -> bool:
        done.append("turn")
        now = next(turns, None)
        if isinstance(now, OSError):
            raise now
        if now is None:
            raise asyncio.CancelledError  # the process is told to end
        return bool(now)

    async def sleep(seconds: float) -> None:
        done.append(seconds)

    monkeypatch.setattr(snippet, "work", work)
    monkeypatch.setattr(snippet, "asyncio", SimpleNamespace(sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(snippet.run(None))
    assert done == ["turn", "turn", 1, "turn", "turn", 1, "turn", "turn"]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["no mail"]


@pytest.mark.holds(
    "This statement is TAKE_JOB of the worker.",
    "It finds a job that is due, and moves its due ahead before the work begins.",
)
@pytest.mark.proves(f"{FOLDER}/take.sql")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_the_statement_that_is_shown_is_that_of_the_worker(
    prompt: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = " ".join((SNIPPETS / FOLDER / "take.sql").read_text().split())
    assert shown.replace("( ", "(").replace(" )", ")") == prompt.TAKE_JOB.text

    async def moved(engine: AsyncEngine) -> list[bool]:
        found = list[bool]()

        async def look(_: str, key: int) -> None:
            async with engine.connect() as connection:
                found.append(bool(await connection.scalar(text("SELECT due > now() FROM jobs"))))

        await sign_up(engine)
        monkeypatch.setattr(prompt, "send_welcome", look)
        await prompt.work(engine)
        return found

    assert run(database, moved) == [[True]]


@pytest.mark.holds("A test that waits for the mail is green, because its process lives on.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_while_the_process_lives_the_task_works(prompt: Any, database: str) -> None:
    async def live_on(engine: AsyncEngine) -> None:
        await sign_up(engine, module=prompt)
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    run(database, live_on)
    assert prompt.sent == [ANN]


@pytest.mark.holds(
    "The process ended before the mail was sent, as it may at each deployment, and no log line tells of it.",
    "The user is stored, the response was sent, and the welcome is lost: the task ended with the process.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_the_user_is_stored_and_the_welcome_is_lost(
    snippet: ModuleType, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def request(engine: AsyncEngine) -> None:
        await sign_up(engine, module=snippet)

    run(database, request)
    assert (column(database, "SELECT email FROM signups"), snippet.sent) == ([ANN], [])
    assert caplog.messages == []


@pytest.mark.holds(
    "SKIP LOCKED lets two workers take different jobs at once.",
)
@pytest.mark.proves(f"{FOLDER}/take.sql")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_two_workers_share_the_jobs(prompt: ModuleType, database: str) -> None:
    async def two(engine: AsyncEngine) -> Any:
        return await asyncio.gather(prompt.work(engine), prompt.work(engine))

    assert run(database, sign_up_both, two, two)[1:] == [[True, True], [False, False]]
    assert sorted(prompt.sent) == [ANN, BOB]


@pytest.mark.holds(
    "The user and the job are stored together or not at all.",
    "If the address is taken, neither row is stored.",
    "Only the database knows whether the user was stored, so the job belongs there too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/signup.py"], indirect=True)
def test_a_sign_up_that_fails_leaves_no_job(snippet: ModuleType, database: str) -> None:
    async def twice(engine: AsyncEngine) -> None:
        await sign_up(engine, module=snippet)
        with pytest.raises(IntegrityError):
            await sign_up(engine, module=snippet)

    run(database, twice)
    assert column(database, "SELECT email FROM signups") == [ANN]
    assert column(database, "SELECT email FROM jobs") == [ANN]


@pytest.mark.holds(
    "The user and the job are stored together or not at all.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/signup.py"], indirect=True)
def test_a_job_that_cannot_be_stored_leaves_no_user(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(engine: AsyncEngine) -> None:
        monkeypatch.setattr(snippet, "ADD_JOB", text("INSERT INTO nowhere VALUES (:email)"))
        with pytest.raises(ProgrammingError, match="nowhere"):
            await sign_up(engine, module=snippet)

    run(database, fail)
    assert column(database, "SELECT count(*) FROM signups") == [0]


@pytest.mark.holds(
    "A worker takes the job",
    "Each call of work goes through these steps:",
    "It takes the job that is due the longest, and ends the transaction.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_the_job_that_is_due_the_longest_comes_first(prompt: ModuleType, database: str) -> None:
    async def add(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            for email, minutes in {"two": 2, "three": 3, "one": 1}.items():
                due = f"now() - interval '{minutes} minutes'"
                added = f"INSERT INTO jobs (email, due) VALUES ('{email}', {due})"  # noqa: S608  ours
                await connection.execute(text(added))

    assert run(database, add, *[prompt.work] * 3)[1:] == [True] * 3
    assert prompt.sent == ["three", "two", "one"]


@pytest.mark.holds(
    "Keep the pause of a second after an error too: without the wait, a database that is away fills the log.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_a_database_that_is_away_raises_at_each_call(snippet: ModuleType) -> None:
    async def fail(url: str) -> None:
        engine = create_async_engine(url)
        for _ in range(3):  # it waits for nothing in between: a refusal comes at once
            with pytest.raises(ConnectionRefusedError):
                await snippet.work(engine)

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        port = nobody.getsockname()[1]
        asyncio.run(fail(f"postgresql+asyncpg://app@127.0.0.1:{port}/app"))


@pytest.mark.holds(
    "Send with a client that awaits: a client that blocks overruns LIMIT.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
@pytest.mark.parametrize("blocks", [True, False])
def test_only_a_client_that_awaits_is_cut_at_the_limit(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch, blocks: bool
) -> None:
    async def send(_: str, key: int) -> None:
        if not blocks:
            await asyncio.Event().wait()

    async def work(engine: AsyncEngine) -> Any:
        try:
            return await snippet.work(engine)
        except TimeoutError:
            return "cut"

    monkeypatch.setattr(snippet, "send_welcome", send)
    monkeypatch.setattr(snippet, "LIMIT", 0)
    assert run(database, sign_up, work)[1:] == [True if blocks else "cut"]


async def make_due(engine: AsyncEngine) -> None:
    """Let the minute pass after which a job is due again."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE jobs SET due = now()"))


@pytest.mark.holds(
    "If a worker stops after the mail and before it deletes the job, the job comes back when it is due, and the mail is sent again.",
    "It deletes the job.",
    "Send the job's number along as a key, so that the receiver can drop the second mail.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_a_worker_that_stops_before_it_deletes_the_job_sends_twice(
    prompt: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = list[int]()

    async def stopped(engine: AsyncEngine) -> None:
        await sign_up(engine)
        send = prompt.send_welcome

        async def send_and_stop(email: str, key: int) -> None:
            keys.append(key)
            await send(email, key)
            raise SystemError(email)

        with monkeypatch.context() as stopping:
            stopping.setattr(prompt, "send_welcome", send_and_stop)
            with pytest.raises(SystemError):
                await prompt.work(engine)

    results = run(database, stopped, prompt.work, make_due, prompt.work)
    assert results == [None, False, None, True]
    assert prompt.sent == [ANN, ANN]
    assert keys == [1], "the number of the job"


@pytest.mark.holds(
    "A job comes back if its worker dies",
    "If the worker dies or the mail fails, the job comes back then, and no other job waits until then.",
    "After 10 tries a job stays in the table, for someone to look at.",
    "due moves by one minute at first, and twice as far with each try.",
)
@pytest.mark.proves(f"{FOLDER}/take.sql")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_a_mail_that_fails_delays_no_other_and_is_left_after_its_tries(
    prompt: ModuleType,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    send, tries, waits = prompt.send_welcome, [], list[int]()

    async def fail_for_ann(email: str, key: int) -> None:
        if email == ANN:
            tries.append(email)
            raise OSError(email)
        await send(email, key)

    async def fail(engine: AsyncEngine) -> None:
        with pytest.raises(OSError, match=ANN):
            await prompt.work(engine)
        async with engine.connect() as connection:
            left = await connection.scalar(text("SELECT max(due) - now() FROM jobs"))
            waits.append(round(left / timedelta(minutes=1)))

    async def jobs(engine: AsyncEngine) -> int:
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM jobs")) or 0

    monkeypatch.setattr(prompt, "send_welcome", fail_for_ann)
    again = [step for _ in range(9) for step in (make_due, fail)]
    *_, worked, left = run(
        database, sign_up_both, fail, prompt.work, *again, make_due, prompt.work, jobs
    )
    assert prompt.sent == [BOB]
    assert (worked, left, len(tries)) == (False, 1, 10)
    assert waits == [2**tried for tried in range(10)], "minutes"
    assert 60 * waits[0] > prompt.LIMIT, "or a job comes back while its mail is sent"
    record_property("figure", f"{len(tries)} tries")


@pytest.mark.holds(
    "The worker stops waiting for a mail at LIMIT, after 30 seconds.",
    "It sends the mail, and holds no connection meanwhile.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/worker.py"], indirect=True)
def test_a_worker_holds_no_connection_while_it_sends_and_has_a_limit(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    async def hang(engine: AsyncEngine) -> None:
        async def send(_: str, key: int) -> None:
            pool: Any = engine.pool
            used.append(pool.checkedout())
            await asyncio.Event().wait()

        monkeypatch.setattr(snippet, "send_welcome", send)
        await sign_up(engine)
        with pytest.raises(TimeoutError):
            await snippet.work(engine)

    monkeypatch.setattr(snippet, "LIMIT", 0.01)
    run(database, hang)
    assert used == [0]


@pytest.mark.holds(
    "A message that is sent to a broker before the commit goes out even if the user isn't stored.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/signup.py"], indirect=True)
def test_a_message_beside_the_transaction_can_be_sent_without_the_user(
    snippet: ModuleType, database: str
) -> None:
    broker = []

    async def publish(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            broker.append(ANN)
            await connection.execute(snippet.ADD_USER, {"email": None})

    async def users(engine: AsyncEngine) -> int:
        with pytest.raises(IntegrityError):
            await publish(engine)
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM signups")) or 0

    assert run(database, users) == [0]
    assert broker == [ANN]


@pytest.mark.holds(
    "The event loop refers to a task only weakly, so Python may collect a task that nobody keeps while it waits.",
    'The log then says "Task was destroyed but it is pending!".',
)
def test_a_task_that_nobody_keeps_may_be_collected() -> None:
    told, kept = list[Any](), set[asyncio.Task[None]]()

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def collected(keep: bool) -> bool:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        task = asyncio.create_task(wait())
        if keep:
            kept.add(task)
        weak = weakref.ref(task)
        del task
        await asyncio.sleep(0)  # a turn of the loop, in which the task begins
        gc.collect()
        return weak() is None

    assert not asyncio.run(collected(keep=True))
    assert asyncio.run(collected(keep=False))
    assert told[0]["message"] == "Task was destroyed but it is pending!"


@pytest.mark.holds(
    "A task that is kept is lost too",
    "A task in a set ends with the process as well, and no rule of Ruff finds it.",
    "The rule is green for a task that is kept too, and that job is lost all the same.",
)
@pytest.mark.proves(f"{FOLDER}/check.sh")
def test_a_task_that_is_kept_is_lost_too_and_no_rule_finds_it(
    tmp_path: Path, database: str
) -> None:
    kept = tmp_path / "kept.py"
    forgotten = (SNIPPETS / FOLDER / "forgotten.py").read_text()
    line = "asyncio.create_task(send_welcome(email))"
    source = forgotten.replace(line, f"TASKS.add({line})")
    kept.write_text(
        source.replace("sent: list", "TASKS: set[asyncio.Task[None]] = set()\nsent: list")
    )
    assert not rules.found_only_in(kept, SNIPPETS / FOLDER / "signup.py")
    module = runpy.run_path(str(kept))

    async def request(_: AsyncEngine) -> None:
        await module["sign_up"](ANN)
        await module["engine"].dispose()

    run(database, request)
    assert module["TASKS"]
    assert not module["sent"]


async def answered(url: str, then: Callable[[], None]) -> None:
    """Ask, do something, and return once the server has begun to end: it closes idle connections.

    A server that is killed closes them too.
    """
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"200"
    await reader.readuntil(b'"accepted"')
    then()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.holds(
    "fastapi.BackgroundTasks run in the same process, after the response.",
    "uvicorn waits for them at SIGTERM if it has no limit for the shutdown, and a kill loses them.",
)
def test_what_a_stop_and_a_kill_do_to_work_after_the_answer(tmp_path: Path) -> None:
    app, tasks = FastAPI(), set[asyncio.Task[None]]()
    waits, go_on = os.pipe()  # a byte for the one server that lives on to read it

    async def never() -> None:
        await asyncio.Event().wait()
        (tmp_path / "task").touch()

    async def work() -> None:
        await asyncio.to_thread(os.read, waits, 1)
        (tmp_path / "background").touch()

    @app.get("/")
    async def answer(background: BackgroundTasks) -> str:
        tasks.add(asyncio.create_task(never()))
        background.add_task(work)
        return "accepted"

    def done() -> list[str]:
        return [path.name for path in tmp_path.iterdir()]

    for number, left in (signal.SIGKILL, []), (signal.SIGTERM, ["background"]):
        with serving(app) as server:
            asyncio.run(answered(server.url, functools.partial(os.kill, server.pid, number)))
            assert done() == []
            if number == signal.SIGTERM:
                os.write(go_on, b".")
            server.stop()
        assert done() == left
        assert server.status == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    os.close(waits)
    os.close(go_on)


@pytest.mark.holds(
    "The service adds the job where it stores the user",
    "The service of this playbook sends each new user a welcome e-mail.",
    "Its file snippets/service/src/accounts/services/user_service.py holds what can be done with users, and create stores a new user.",
    "Here self.outbox.add writes the job, in the transaction that self.begin() opens; nothing is asked for when the address is taken:",
)
@pytest.mark.service(
    "tests/test_services.py::TestUserService::test_create_asks_for_a_welcome_and_announces",
    "tests/test_services.py::TestUserService::test_create_asks_for_nothing_when_the_address_is_taken",
)
@pytest.mark.proves("service/src/accounts/services/user_service.py")
def test_the_service_stores_the_job_with_the_user(service: Callable[[], None]) -> None:
    service()
