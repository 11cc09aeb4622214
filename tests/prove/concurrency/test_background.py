"""What the page on background work claims."""

import asyncio
import os
import runpy
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from fastapi import BackgroundTasks, FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.parts.server import serving

FOLDER = "concurrency/background"
ANN = "ann@example.org"


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


@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_while_the_process_lives_the_task_works(snippet: ModuleType, database: str) -> None:
    async def live_on(engine: AsyncEngine) -> None:
        await snippet.sign_up(engine, ANN)
        await asyncio.sleep(0.2)

    run(snippet, database, live_on)
    assert snippet.sent == [ANN]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/forgotten.py"], indirect=True)
def test_the_user_is_stored_and_the_welcome_is_lost(snippet: ModuleType, database: str) -> None:
    async def stored() -> list[str]:
        engine = create_async_engine(database)
        async with engine.connect() as connection:
            emails = await connection.scalars(text("SELECT email FROM users"))
        await engine.dispose()
        return list(emails)

    ended = runpy.run_path(str(snippet.__file__), run_name="__main__")
    assert (asyncio.run(stored()), ended["sent"]) == ([ANN], [])


@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_two_workers_share_the_jobs(snippet: ModuleType, database: str) -> None:
    async def two(engine: AsyncEngine) -> Any:
        return await asyncio.gather(snippet.work(engine), snippet.work(engine))

    async def both(engine: AsyncEngine) -> None:
        await snippet.sign_up(engine, ANN)
        await snippet.sign_up(engine, "bob@example.org")

    assert run(snippet, database, both, two, two)[1:] == [[True, True], [False, False]]
    assert sorted(snippet.sent) == [ANN, "bob@example.org"]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_sign_up_that_fails_leaves_no_job(snippet: ModuleType, database: str) -> None:
    async def twice(engine: AsyncEngine) -> None:
        await snippet.sign_up(engine, ANN)
        with pytest.raises(IntegrityError):
            await snippet.sign_up(engine, ANN)

    assert run(snippet, database, twice, snippet.work, snippet.work)[1:] == [True, False]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/outbox.py"], indirect=True)
def test_a_worker_that_stops_before_its_commit_sends_twice(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(engine: AsyncEngine) -> None:
        await snippet.sign_up(engine, ANN)
        send = snippet.send_welcome

        async def send_and_stop(email: str) -> None:
            await send(email)
            raise SystemError(email)

        monkeypatch.setattr(snippet, "send_welcome", send_and_stop)
        with pytest.raises(SystemError):
            await snippet.work(engine)
        monkeypatch.setattr(snippet, "send_welcome", send)

    run(snippet, database, stopped, snippet.work)
    assert snippet.sent == [ANN, ANN]


def test_background_tasks_die_with_the_process(tmp_path: Path) -> None:
    app, done = FastAPI(), tmp_path / "done"

    async def work() -> None:
        await asyncio.sleep(0.2)
        done.touch()

    @app.get("/")
    async def answer(background: BackgroundTasks) -> str:
        background.add_task(work)
        return "accepted"

    async def ask(url: str) -> str:
        async with aiohttp.ClientSession(url) as client, client.get("/") as response:
            return str(await response.json())

    with serving(app) as server:
        assert asyncio.run(ask(server.url)) == "accepted"
        os.kill(server.pid, signal.SIGKILL)
    assert not done.exists()
    with serving(app) as server:
        assert asyncio.run(ask(server.url)) == "accepted"
        assert server.stop(within=5)
    assert done.exists()
