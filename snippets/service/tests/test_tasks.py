"""The task of a worker, without a broker."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy.exc import ProgrammingError

from accounts import tasks
from accounts.broker import DELIVER, celery
from accounts.config import Settings
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
        def fail(*_: object) -> str:
            attempts.append(error)
            raise error

        attempts.clear()
        monkeypatch.setattr(Process, "deliver", fail)
        celery.tasks[DELIVER].apply((str(uuid4()),))
        return len(attempts)

    for passing in (ConnectionError(), TimeoutError()):
        assert attempts_at(passing) == 4
    wrong = ProgrammingError("", {}, OSError())
    for bug in (ValueError(), FileNotFoundError(), wrong):
        assert attempts_at(bug) == 1


# --8<-- [end:retries]


def test_what_is_no_id_is_a_bug() -> None:
    assert celery.tasks[DELIVER].apply(("x",)).state == "FAILURE"


# --8<-- [start:kept]
def test_a_process_keeps_its_connection() -> None:
    for _ in range(3):
        assert celery.tasks[DELIVER].apply((str(uuid4()),)).state == "SUCCESS"
    assert tasks.process().engine.pool.status().count("Connections in pool: 1")


# --8<-- [end:kept]
