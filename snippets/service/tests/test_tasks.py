"""The task of a worker, without a broker."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy.exc import ProgrammingError

from accounts import tasks
from accounts.broker import DELIVER, celery
from accounts.config import Settings
from accounts.services.delivery_service import DeliveryService
from accounts.tasks import Process


@pytest.fixture(autouse=True)
def attempts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Exception]]:
    """What a process of the worker raised."""
    for name in ("database_url", "redis_url", "token_key"):
        value = getattr(settings, name).get_secret_value()
        monkeypatch.setenv(name.upper(), value)
    yield []
    tasks.close()


# --8<-- [start:retries]
def test_only_a_database_that_is_away_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, attempts: list[Exception]
) -> None:
    def attempts_at(error: Exception) -> int:
        def fail(*_: object) -> list[str | Exception]:
            attempts.append(error)
            return ["sent", error]

        attempts.clear()
        monkeypatch.setattr(Process, "deliver", fail)
        celery.tasks[DELIVER].apply(([str(uuid4())],))
        return len(attempts)

    for passing in (ConnectionError(), TimeoutError()):
        assert attempts_at(passing) == 4
    wrong = ProgrammingError("", {}, OSError())
    for bug in (ValueError(), FileNotFoundError(), wrong):
        assert attempts_at(bug) == 1


# --8<-- [end:retries]


def test_what_is_no_id_is_a_bug() -> None:
    assert celery.tasks[DELIVER].apply((["x"],)).state == "FAILURE"


# --8<-- [start:at_once]
def test_a_task_sends_its_mails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = list[int]()

    async def send(*_: object) -> str:
        arrived.append(1)
        while len(arrived) < 3:  # noqa: ASYNC110  it waits for the others to begin
            await asyncio.sleep(0.01)
        return "sent"

    monkeypatch.setattr(DeliveryService, "deliver", send)
    ids = [str(uuid4()) for _ in range(3)]
    assert celery.tasks[DELIVER].apply((ids,)).state == "SUCCESS"
    assert len(arrived) == 3


# --8<-- [end:at_once]


# --8<-- [start:kept]
def test_a_process_keeps_its_connection() -> None:
    for _ in range(3):
        assert celery.tasks[DELIVER].apply(([str(uuid4())],)).state == "SUCCESS"
    assert tasks.process().engine.pool.status().count("Connections in pool: 1")


# --8<-- [end:kept]
