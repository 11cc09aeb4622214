"""A worker that is killed in the middle of a task, and a message that comes twice."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select

from accounts.database import Sessions
from accounts.models import Message
from dev import processes
from dev.keeper import Program
from dev.mail import Inbox
from tests.fixtures.sample_data import ANN
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


def kill_child(worker: Program) -> None:
    """Kill the processes that do the tasks, as the system does when memory is short."""
    for child in psutil.Process(worker.pid).children(recursive=True):
        child.kill()


def kill_all(worker: Program) -> None:
    """Kill the worker as a whole, as when a machine is lost."""
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.signal(signal.SIGKILL)
    for child in children:
        child.kill()


# --8<-- [start:killed]
@pytest.mark.parametrize("kill", [kill_child, kill_all])
async def test_a_killed_worker_loses_nothing(
    kill: Callable[[Program], None],
    client: AsyncClient,
    sessions: Sessions,
    environment: Environment,
    inbox: Inbox,
    tmp_path: Path,
) -> None:
    inbox.take.clear()
    await create(client, ANN)
    with (
        (tmp_path / "relay.log").open("wb") as log,
        processes.relay(environment, log),
        working(environment, tmp_path, "first") as first,
    ):
        assert inbox.taking.wait(15)
        kill(first)
        inbox.take.set()
        with working(environment, tmp_path, "second"):
            wait_until(lambda: len(inbox.mails) == 2)
            async with sessions() as session:
                count = select(func.count()).select_from(Message)
                while await session.scalar(count):
                    await session.rollback()
    ids = {mail["Message-ID"] for mail in inbox.mails}
    assert len(ids) == 1


# --8<-- [end:killed]
