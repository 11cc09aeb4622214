"""How long a publisher waits for a broker."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Connection

from accounts import broker
from accounts.broker import Broker


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket of the broker's address; nobody listens, and nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


@pytest.fixture
def celery(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Celery]:
    """Celery with the service's options, at the broker's address."""
    for name, value in {
        "DATABASE_URL": "postgresql://host/name",
        "REDIS_URL": f"redis://127.0.0.1:{listener.getsockname()[1]}/0",
        "TOKEN_KEY": "of 32 bytes, and of this test only",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(broker, "PATIENCE", 0.2)
    celery = Celery("test", set_as_current=False)
    celery.add_defaults(broker.options)
    yield celery
    celery.close()


@pytest.mark.parametrize("silent", [False, True])
def test_a_broker_that_is_away_is_tried_once_and_soon_given_up(
    celery: Celery, listener: socket.socket, silent: bool
) -> None:
    if silent:
        listener.listen()
    asked = Broker(celery)
    for question in (asked.held, lambda: asked.hand_over([uuid4()])):
        started = time.monotonic()
        with pytest.raises(OperationalError):
            question()
        assert time.monotonic() - started < 2


async def test_a_process_that_sends_a_task_does_nothing_else_meanwhile(
    celery: Celery, listener: socket.socket
) -> None:
    listener.listen()
    turns = list[str]()
    asyncio.get_running_loop().call_soon(turns.append, "another request")
    with pytest.raises(OperationalError):
        celery.send_task(broker.DELIVER, [[str(uuid4())]], retry=False)
    assert turns == []
    await asyncio.sleep(0)
    assert turns == ["another request"]


def test_celery_by_itself_has_no_timeout(
    celery: Celery, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = set[float | int | None]()

    def ask(connection: Connection, *_: object, **__: object) -> None:
        limits.add(connection.socket_timeout)
        raise LookupError

    monkeypatch.setattr(Connection, "send_packed_command", ask)
    listener.listen()
    url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    for app, limit in ((celery, 0.2), (Celery(broker=url, set_as_current=False), None)):
        limits.clear()
        with suppress(LookupError):
            app.send_task(broker.DELIVER, retry=False)
        assert limits == {limit}
        app.close()
