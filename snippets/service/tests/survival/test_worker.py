"""A worker that is killed in the middle of a task."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from httpx2 import AsyncClient
from sqlalchemy import func, select, update

from accounts.database import Sessions
from accounts.models import Message
from dev import processes
from dev.keeper import Program
from dev.mail import Inbox
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, wait_until
from tests.test_handlers import create


@contextmanager
def working(environment: Environment, folder: Path, name: str) -> Iterator[Program]:
    """Start a worker with a log of its own."""
    with (
        (folder / f"{name}.log").open("wb") as log,
        processes.worker(environment, log) as program,
    ):
        yield program


def kill_children(worker: Program) -> None:
    """Kill the processes that do the tasks, as the system does when memory is short."""
    for child in psutil.Process(worker.pid).children(recursive=True):
        child.kill()


def kill_all(worker: Program) -> None:
    """Kill the worker as a whole, as when a machine is lost."""
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.signal(signal.SIGKILL)
    for child in children:
        child.kill()


async def lose(
    inbox: Inbox, client: AsyncClient, user: dict[str, str], kill: Callable[[], None]
) -> None:
    """Kill when the mail of a new user was taken, before the worker knows it."""
    inbox.taking.clear()
    inbox.take.clear()
    await create(client, user)
    assert inbox.taking.wait(60)
    kill()
    inbox.take.set()


async def wait_until_settled(sessions: Sessions) -> None:
    """Return once no message is left; nobody waits for what the lost worker held."""
    async with asyncio.timeout(60):
        while True:
            async with sessions.begin() as session:
                if not await session.scalar(select(func.count()).select_from(Message)):
                    return
                held = update(Message).where(Message.tries == 1)
                await session.execute(held.values(held_until=func.now()))
            await asyncio.sleep(0.1)


# --8<-- [start:killed]
async def test_a_killed_worker_loses_nothing(
    client: AsyncClient,
    sessions: Sessions,
    environment: Environment,
    inbox: Inbox,
    tmp_path: Path,
) -> None:
    with (
        (tmp_path / "relay.log").open("wb") as log,
        processes.relay(environment, log),
        working(environment, tmp_path, "first") as first,
    ):
        await lose(inbox, client, ANN, lambda: kill_children(first))
        await wait_until_settled(sessions)
        await lose(inbox, client, BOB, lambda: kill_all(first))
        with working(environment, tmp_path, "second"):
            await wait_until_settled(sessions)
    sent = [(mail["To"], mail["Message-ID"]) for mail in inbox.mails]
    assert [to for to, _ in sent] == [ANN["email"]] * 2 + [BOB["email"]] * 2
    assert len(set(sent)) == 2


# --8<-- [end:killed]


async def test_a_worker_that_is_told_to_stop_finishes_its_mail(
    client: AsyncClient,
    sessions: Sessions,
    environment: Environment,
    inbox: Inbox,
    tmp_path: Path,
) -> None:
    with (
        (tmp_path / "relay.log").open("wb") as log,
        processes.relay(environment, log),
        working(environment, tmp_path, "first") as first,
    ):
        inbox.take.clear()
        await create(client, ANN)
        assert inbox.taking.wait(60)
        first.signal(signal.SIGTERM)
        said = tmp_path / "first.log"
        wait_until(lambda: "Warm shutdown" in said.read_text())
        inbox.take.set()
        assert first.wait(60) == 0
    async with sessions() as session:
        assert not await session.scalar(select(func.count()).select_from(Message))
    assert [mail["To"] for mail in inbox.mails] == [ANN["email"]]
