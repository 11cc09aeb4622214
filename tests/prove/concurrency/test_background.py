"""What the page on background work claims."""

import asyncio
import functools
import gc
import os
import runpy
import signal
import socket
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.postgres import column
from tests.parts.server import serving

FOLDER = "concurrency/background"
ANN = "ann@example.org"


INSTRUCTIONS = [
    "Write the job into the database in the transaction that makes it necessary, and let a worker do it.",
    "If you don't know whether the work may be lost, store the job.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't: start a task and answer",
    "Create the table of jobs with a migration, in the database of the data.",
    "Add the job in the transaction of the use case, as snippets/service/src/accounts/services/user_service.py does.",
    "Start the worker as a process of its own, and call work in a loop.",
    "Wait a second when work returns False, and after an error too: without the wait, a database that is away fills the log.",
    "Send with a client that awaits: a client that blocks overruns LIMIT.",
    "Count the jobs that are due, and those that stay after their last try.",
    "Take a broker such as Valkey or RabbitMQ, with a library such as Celery, for priorities, schedules, or more jobs than the database should carry.",
    "Let the table of jobs feed it.",
    "Add the job where you store the data",
    "Run Ruff's RUF006 over the block that stores the job, and over the one that forgets it:",
    "Write two tests of your own use case:",
    "Stop the process after the response, start a worker, and look for the mail.",
    "Let one mail fail, and look for the next one.",
]


JUDGEMENTS = [
    "We call work that the response needn't wait for, and that must be done all the same, a job, and the table that keeps the jobs a job queue.",
    "We call this at least once: a job is tried until it is done or its tries run out, so it may be done twice.",
]


def run(snippet: ModuleType, database: str, *steps: Any) -> list[Any]:
    """Do each step as a process of its own would, on one database, and return the results."""

    async def step(work: Any) -> Any:
        engine = create_async_engine(database)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    async def tables(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await connection.execute(snippet.USERS)
            if hasattr(snippet, "OUTBOX"):
                await connection.execute(snippet.OUTBOX)

    asyncio.run(step(tables))
    return [asyncio.run(step(work)) for work in steps]


@pytest.fixture
def prompt(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The snippet, with a mail service that needs one turn of the event loop."""
    clock.at_once(snippet, monkeypatch)
    return snippet


@pytest.mark.holds(
    "Store the job with the data",
    "A user signs up, the response is sent, and the welcome e-mail never arrives.",
    "Ruff's RUF006 finds a task that nobody keeps.",
    "This is called fire and forget: the request starts a task with asyncio.create_task, and nobody waits for it.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/outbox.py",
        pytest.param(
            f"{FOLDER}/forgotten.py",
            marks=[
                pytest.mark.xfail(  # the task ends with the process, and nobody knows of it
                    strict=True, raises=pytest.RaisesExc(AssertionError, match="it is lost")
                ),
                pytest.mark.finding("ruff", "RUF006", line=22),
            ],
        ),
    ],
    indirect=True,
)
def test_the_welcome_survives_the_process(snippet: ModuleType, database: str) -> None:
    async def no_worker(_: AsyncEngine) -> bool:
        return False

    worker = getattr(snippet, "work", no_worker)
    run(snippet, database, lambda engine: snippet.sign_up(engine, ANN), worker)
    assert snippet.sent == [ANN], "it is lost"


@pytest.mark.holds(
    "It happens at each deployment, and no test shows it, as the process of a test lives on.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_while_the_process_lives_the_task_works(prompt: ModuleType, database: str) -> None:
    async def live_on(engine: AsyncEngine) -> None:
        await prompt.sign_up(engine, ANN)
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    run(prompt, database, live_on)
    assert prompt.sent == [ANN]


@pytest.mark.holds(
    "The user is stored, the response was sent, and the welcome is lost: the task ended with the process.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_the_user_is_stored_and_the_welcome_is_lost(snippet: ModuleType, database: str) -> None:
    ended = runpy.run_path(str(snippet.__file__), run_name="__main__")
    assert (column(database, "SELECT email FROM forgotten_example.users"), ended["sent"]) == (
        [ANN],
        [],
    )


@pytest.mark.holds(
    "SKIP LOCKED lets two workers take different jobs at once.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_two_workers_share_the_jobs(prompt: ModuleType, database: str) -> None:
    async def two(engine: AsyncEngine) -> Any:
        return await asyncio.gather(prompt.work(engine), prompt.work(engine))

    async def both(engine: AsyncEngine) -> None:
        await prompt.sign_up(engine, ANN)
        await prompt.sign_up(engine, "bob@example.org")

    assert run(prompt, database, both, two, two)[1:] == [[True, True], [False, False]]
    assert sorted(prompt.sent) == [ANN, "bob@example.org"]


@pytest.mark.holds(
    "Look at sign_up: the user and the job are stored together or not at all.",
    "Only the database knows whether the user was stored, so the job belongs there too.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_sign_up_that_fails_leaves_no_job(prompt: ModuleType, database: str) -> None:
    async def twice(engine: AsyncEngine) -> None:
        await prompt.sign_up(engine, ANN)
        with pytest.raises(IntegrityError):
            await prompt.sign_up(engine, ANN)

    assert run(prompt, database, twice, prompt.work, prompt.work)[1:] == [True, False]


@pytest.mark.holds(
    "Look at sign_up: the user and the job are stored together or not at all.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_job_that_cannot_be_stored_leaves_no_user(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sign_up(engine: AsyncEngine) -> None:
        monkeypatch.setattr(snippet, "ADD_JOB", text("INSERT INTO nowhere VALUES (:email)"))
        with pytest.raises(ProgrammingError, match="nowhere"):
            await snippet.sign_up(engine, ANN)

    run(snippet, database, sign_up)
    assert column(database, "SELECT count(*) FROM users") == [0]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_the_job_that_is_due_the_longest_comes_first(prompt: ModuleType, database: str) -> None:
    async def add(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            for email, minutes in {"two": 2, "three": 3, "one": 1}.items():
                due = f"now() - interval '{minutes} minutes'"
                added = f"INSERT INTO outbox (email, due) VALUES ('{email}', {due})"  # noqa: S608  ours
                await connection.execute(text(added))

    assert run(prompt, database, add, *[prompt.work] * 3)[1:] == [True] * 3
    assert prompt.sent == ["three", "two", "one"]


@pytest.mark.holds(
    "Wait a second when work returns False, and after an error too: without the wait, a database that is away fills the log.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
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
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
@pytest.mark.parametrize("blocks", [True, False])
def test_only_a_client_that_awaits_is_cut_at_the_limit(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch, blocks: bool
) -> None:
    async def send(_: str, key: int) -> None:
        if not blocks:
            await asyncio.Event().wait()

    async def sign_up(engine: AsyncEngine) -> None:
        await snippet.sign_up(engine, ANN)

    async def work(engine: AsyncEngine) -> Any:
        try:
            return await snippet.work(engine)
        except TimeoutError:
            return "cut"

    monkeypatch.setattr(snippet, "send_welcome", send)
    monkeypatch.setattr(snippet, "LIMIT", 0)
    assert run(snippet, database, sign_up, work)[1:] == [True if blocks else "cut"]


async def make_due(engine: AsyncEngine) -> None:
    """Let the minute pass after which a job is due again."""
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox SET due = now()"))


@pytest.mark.holds(
    "A worker that stops after the mail and before it deletes the job sends the mail again.",
    "Send the job's number along as a key, so that the receiver can drop the second mail.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_worker_that_stops_before_it_deletes_the_job_sends_twice(
    prompt: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = list[int]()

    async def stopped(engine: AsyncEngine) -> None:
        await prompt.sign_up(engine, ANN)
        send = prompt.send_welcome

        async def send_and_stop(email: str, key: int) -> None:
            keys.append(key)
            await send(email, key)
            raise SystemError(email)

        with monkeypatch.context() as stopping:
            stopping.setattr(prompt, "send_welcome", send_and_stop)
            with pytest.raises(SystemError):
                await prompt.work(engine)

    results = run(prompt, database, stopped, prompt.work, make_due, prompt.work)
    assert results == [None, False, None, True]
    assert prompt.sent == [ANN, ANN]
    assert keys == [1], "the number of the job"


@pytest.mark.holds(
    "If the worker dies or the mail fails, the job comes back, and no other job waits until then.",
    "After 10 tries a job stays in the table, for someone to look at.",
    "Before the worker starts a job, it moves the job's due ahead, by one minute at first, and twice as far with each try.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
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
            left = await connection.scalar(text("SELECT max(due) - now() FROM outbox"))
            waits.append(round(left / timedelta(minutes=1)))

    async def both(engine: AsyncEngine) -> None:
        await prompt.sign_up(engine, ANN)
        await prompt.sign_up(engine, "bob@example.org")

    async def jobs(engine: AsyncEngine) -> int:
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM outbox")) or 0

    monkeypatch.setattr(prompt, "send_welcome", fail_for_ann)
    again = [step for _ in range(9) for step in (make_due, fail)]
    *_, worked, left = run(
        prompt, database, both, fail, prompt.work, *again, make_due, prompt.work, jobs
    )
    assert prompt.sent == ["bob@example.org"]
    assert (worked, left, len(tries)) == (False, 1, 10)
    assert waits == [2**tried for tried in range(10)], "minutes"
    assert 60 * waits[0] > prompt.LIMIT, "or a job comes back while its mail is sent"
    record_property("figure", f"{len(tries)} tries")


@pytest.mark.holds(
    "The worker stops waiting for a mail at LIMIT, after 30 seconds.",
    "The worker holds no connection while it sends.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
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
        await snippet.sign_up(engine, ANN)
        with pytest.raises(TimeoutError):
            await snippet.work(engine)

    monkeypatch.setattr(snippet, "LIMIT", 0.01)
    run(snippet, database, hang)
    assert used == [0]


@pytest.mark.holds(
    "A message that is sent to a broker beside the transaction goes out even if the user isn't stored.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_message_beside_the_transaction_can_be_sent_without_the_user(
    snippet: ModuleType, database: str
) -> None:
    broker = []

    async def sign_up(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            broker.append(ANN)
            await connection.execute(snippet.ADD_USER, {"email": None})

    async def users(engine: AsyncEngine) -> int:
        with pytest.raises(IntegrityError):
            await sign_up(engine)
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM users")) or 0

    assert run(snippet, database, users) == [0]
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
    assert not rules.found_only_in(kept, SNIPPETS / FOLDER / "outbox.py")
    module = runpy.run_path(str(kept))
    asyncio.run(module["main"]())
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
    "fastapi.BackgroundTasks run in the same process: uvicorn waits for them at SIGTERM if it has no limit for the shutdown, and a kill loses them.",
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
    "The service asks for a welcome e-mail where it stores the user, and asks for nothing when the address is taken:",
)
@pytest.mark.service(
    "tests/test_services.py::TestUserService::test_create_asks_for_a_welcome_and_announces",
    "tests/test_services.py::TestUserService::test_create_asks_for_nothing_when_the_address_is_taken",
)
@pytest.mark.proves("service/src/accounts/services/user_service.py")
def test_the_service_stores_the_job_with_the_user(service: Callable[[], None]) -> None:
    service()
