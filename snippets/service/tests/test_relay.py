"""What the relay hands over, in which order, and how much."""

import asyncio
import json
import logging
import signal
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import cast
from unittest.mock import create_autospec
from uuid import UUID

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Connection
from sqlalchemy import func, select, text, update

from accounts import broker, relay
from accounts.broker import Broker
from accounts.config import Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.models import Message
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.tasks import deliver
from dev import valkey
from tests.scripted import DROP, Script, speaking
from tests.test_worker import add, stored

OLD = text(
    """INSERT INTO outbox (id, task, payload, created_at, relayed_at, attempts, due_at)
    SELECT gen_random_uuid(), 'welcome', '{"user_id": 0}', now() - interval '1 day',
        now() - interval '1 hour', 1, now() - n * interval '1 s'
    FROM generate_series(1, :count) AS n"""
)


@pytest.fixture
def taken() -> list[UUID]:
    """What the broker took."""
    return []


@pytest.fixture
def held(taken: list[UUID]) -> Broker:
    """A broker from which no worker takes anything."""
    stand_in: Broker = create_autospec(Broker, instance=True)
    stand_in.held.side_effect = lambda: len(taken)  # type: ignore[attr-defined]  # it is a mock
    stand_in.hand_over.side_effect = taken.extend  # type: ignore[attr-defined]  # so is this
    return stand_in


@pytest.fixture
def script() -> Script:
    """What the mail server says."""
    return Script()


@pytest.fixture
async def settings(settings: Settings, script: Script) -> AsyncIterator[Settings]:
    """Settings with a mail server."""
    async with speaking(script) as port:
        yield settings.model_copy(update={"smtp_port": port})


async def age(sessions: Sessions, count: int) -> None:
    """Store messages that were handed over long ago, and are due again."""
    async with sessions.begin() as session:
        await session.execute(OLD, {"count": count})


async def pass_by(sessions: Sessions) -> float:
    """Let a message be due now; return for how many seconds it would have waited."""
    async with sessions.begin() as session:
        due = select(func.extract("epoch", Message.due_at - func.now()))
        waits = await session.scalar(due)
        await session.execute(update(Message).values(due_at=func.now()))
    return float(waits or 0)


async def test_a_message_is_handed_over_once(
    settings: Settings, sessions: Sessions, held: Broker, taken: list[UUID]
) -> None:
    message_id = await add(sessions)
    assert await relay.relay(sessions, held, settings) == 1
    assert await relay.relay(sessions, held, settings) == 0
    assert taken == [message_id]


async def test_what_the_broker_did_not_take_stays_due(
    settings: Settings, sessions: Sessions
) -> None:
    for _ in range(2):
        await add(sessions, {"user_id": 1})
    settings = settings.model_copy(update={"mail_at_once": 1})
    broker = create_autospec(Broker, instance=True)
    broker.held.return_value = 0
    broker.hand_over.side_effect = [None, OperationalError, None]
    with pytest.raises(OperationalError):
        await relay.relay(sessions, broker, settings)
    assert await relay.relay(sessions, broker, settings) == 1
    first, failed, again = broker.hand_over.call_args_list
    assert first != failed
    assert failed == again


async def test_the_broker_is_waited_for_in_another_thread(
    settings: Settings, sessions: Sessions
) -> None:
    threads = list[threading.Thread]()

    def held() -> int:
        threads.append(threading.current_thread())
        return 0

    def hand_over(_: Sequence[UUID]) -> None:
        threads.append(threading.current_thread())

    await add(sessions)
    broker = create_autospec(Broker, instance=True)
    broker.held.side_effect, broker.hand_over.side_effect = held, hand_over
    assert await relay.relay(sessions, broker, settings) == 1
    own = threading.current_thread()
    assert [thread is own for thread in threads] == [False, False]


# --8<-- [start:fresh]
async def test_new_messages_go_before_old_ones(
    settings: Settings, sessions: Sessions, held: Broker, taken: list[UUID]
) -> None:
    await age(sessions, 20_000)
    new = [await add(sessions, {"user_id": 1}) for _ in range(2)]
    assert await relay.relay(sessions, held, settings) == relay.BATCH
    assert taken[:2] == new


async def test_old_messages_go_on_while_new_ones_come(
    settings: Settings, sessions: Sessions, held: Broker, taken: list[UUID]
) -> None:
    await age(sessions, 50)
    new = {await add(sessions, {"user_id": 1}) for _ in range(relay.BATCH)}
    await relay.relay(sessions, held, settings)
    assert len(taken) == relay.BATCH + relay.OLD
    assert new < set(taken)


async def test_what_the_broker_holds_is_bounded_and_leaves_room_for_new_messages(
    settings: Settings, sessions: Sessions, held: Broker, taken: list[UUID]
) -> None:
    limits = {"broker_limit": 40, "relay_retry_after": 0.001}
    settings = settings.model_copy(update=limits)
    await age(sessions, 100)
    for _ in range(5):
        await relay.relay(sessions, held, settings)
    assert len(taken) == 20
    new = await add(sessions, {"user_id": 1})
    await relay.relay(sessions, held, settings)
    assert (taken[-1], len(taken)) == (new, 21)
    for _ in range(50):
        await add(sessions, {"user_id": 1})
    for _ in range(5):
        await relay.relay(sessions, held, settings)
    assert len(taken) == 40


# --8<-- [end:fresh]


async def test_new_messages_go_some_to_a_task_and_others_alone(
    settings: Settings, sessions: Sessions
) -> None:
    await age(sessions, 3)
    for _ in range(7):
        await add(sessions, {"user_id": 1})
    broker = create_autospec(Broker, instance=True)
    broker.held.return_value = 0
    settings = settings.model_copy(update={"mail_at_once": 5})
    assert await relay.relay(sessions, broker, settings) == 10
    sizes = [len(call.args[0]) for call in broker.hand_over.call_args_list]
    assert sizes == [5, 2, 1, 1, 1]


# --8<-- [start:queries]
@pytest.mark.parametrize("analyzed", [False, True])
async def test_the_relay_reads_no_more_rows_than_it_hands_over(
    sessions: Sessions, analyzed: bool
) -> None:
    await age(sessions, 20_000)
    if analyzed:
        async with sessions.begin() as session:
            await session.execute(text("ANALYZE outbox"))
    seen = """SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
        WHERE relname = 'outbox'"""
    async with sessions.begin() as session:
        outbox = OutboxRepository(session)
        assert (await outbox.fresh(100), len(await outbox.again(100))) == ([], 100)
        assert await session.scalar(text(seen)) <= 200


# --8<-- [end:queries]


async def test_without_a_worker_no_message_is_lost(
    settings: Settings, sessions: Sessions, held: Broker, script: Script
) -> None:
    message_id = await add(sessions)
    hasty = settings.model_copy(update={"relay_retry_after": 0.0})
    for _ in range(20):
        assert await relay.relay(sessions, held, hasty) == 1
    assert await deliver(sessions, settings, message_id) == "sent"
    assert len(script.mails) == 1


# --8<-- [start:hour]
async def test_a_mail_server_that_is_down_for_an_hour_costs_no_mail(
    settings: Settings,
    sessions: Sessions,
    held: Broker,
    taken: list[UUID],
    script: Script,
) -> None:
    message_id, outcomes, passed = await add(sessions), list[str](), 0.0
    ready, script.replies["BANNER"] = script.replies["BANNER"], DROP
    while "sent" not in outcomes:
        assert await relay.relay(sessions, held, settings) == 1
        assert taken.pop() == message_id
        outcomes.append(await deliver(sessions, settings, message_id))
        passed += await pass_by(sessions)
        if passed >= 3600:
            script.replies["BANNER"] = ready
    assert outcomes == ["delayed"] * 6 + ["sent"]
    assert len(script.mails) == 1


# --8<-- [end:hour]


@pytest.mark.parametrize(
    ("step", "outcomes", "hours"),
    [
        ("BANNER", ["delayed"] * 19 + ["set_aside"], 14),
        ("END", ["doubtful"] * 2 + ["set_aside"], 0),
    ],
)
async def test_a_mail_server_that_stays_away_ends_with_people(
    settings: Settings,
    sessions: Sessions,
    held: Broker,
    taken: list[UUID],
    script: Script,
    step: str,
    outcomes: list[str],
    hours: int,
) -> None:
    message_id, came, passed = await add(sessions), list[str](), 0.0
    script.replies[step] = DROP
    while "set_aside" not in came:
        await relay.relay(sessions, held, settings)
        assert taken.pop() == message_id
        came.append(await deliver(sessions, settings, message_id))
        if came[-1] != "set_aside":
            passed += await pass_by(sessions)
    assert came == outcomes
    assert passed // 3600 == hours


async def test_a_worker_may_be_quicker_than_the_relay(
    settings: Settings, sessions: Sessions, script: Script
) -> None:
    message_id, working = await add(sessions), list[Future[str]]()
    loop = asyncio.get_running_loop()

    async def work() -> str:
        engine = create_engine(settings)
        try:
            return await deliver(create_sessions(engine), settings, message_id)
        finally:
            await engine.dispose()

    def hand_over(_: Sequence[UUID]) -> None:
        working.append(asyncio.run_coroutine_threadsafe(work(), loop))
        wait(working, timeout=0.2)

    broker = create_autospec(Broker, instance=True)
    broker.held.return_value = 0
    broker.hand_over.side_effect = hand_over
    assert await relay.relay(sessions, broker, settings) == 1
    assert await asyncio.wrap_future(working[0]) == "sent"
    assert len(script.mails) == 1
    assert await stored(sessions, message_id) is None


async def test_three_relays_hand_over_each_message_once(
    settings: Settings, sessions: Sessions, held: Broker, taken: list[UUID]
) -> None:
    ids = {await add(sessions, {"user_id": 1}) for _ in range(30)}
    three = (relay.relay(sessions, held, settings) for _ in range(3))
    assert sum(await asyncio.gather(*three)) == 30
    assert (set(taken), len(taken)) == (ids, 30)


async def test_it_goes_on_until_it_is_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, looks = asyncio.Event(), list[object]()
    errors = [OperationalError, ConnectionRefusedError, None]

    async def look(*_: object) -> int:
        error = errors[len(looks)]
        looks.append(error)
        if error:
            raise error
        stopped.set()
        return 0

    monkeypatch.setattr(relay, "relay", look)
    hasty = settings.model_copy(update={"relay_interval": 0.01})
    await relay.relay_until(stopped, hasty)
    assert looks == errors


async def test_a_bug_ends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(*_: object) -> int:
        raise KeyError

    monkeypatch.setattr(relay, "relay", look)
    with pytest.raises(KeyError):
        await relay.relay_until(asyncio.Event(), settings)


async def test_what_ends_the_relay_is_logged(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail(*_: object) -> None:
        warnings.warn("soon to be gone", stacklevel=1)
        raise RuntimeError("nobody knew")

    monkeypatch.setattr(relay, "relay_until", fail)
    monkeypatch.setattr(relay, "Settings", lambda: settings)
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda *_: None)
    logging.captureWarnings(False)  # another test may have begun it
    with warnings.catch_warnings(action="always"), pytest.raises(SystemExit) as end:
        await relay.main()
    assert end.value.code == 1
    warned, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert "soon to be gone" in warned["event"]
    assert "nobody knew" in json.dumps(failed["exception"])


def hand_over_one(broker: Broker) -> None:
    """Send a message to no worker."""
    broker.hand_over([UUID(int=1)])


class TestBroker:
    """What is asked of a broker that is there."""

    @pytest.fixture
    def environment(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set what Celery reads."""
        for name in ("database_url", "redis_url", "token_key"):
            value = getattr(settings, name).get_secret_value()
            monkeypatch.setenv(name.upper(), value)

    @pytest.fixture
    def app(self, environment: None) -> Iterator[Celery]:
        """Celery, at the broker of the tests."""
        app = Celery("test", set_as_current=False)
        app.add_defaults(broker.options)
        yield app
        app.close()

    def test_it_tells_how_many_messages_wait(self, app: Celery) -> None:
        counts = list[int]()
        for number in range(3):
            counts.append(Broker(app).held())
            Broker(app).hand_over([UUID(int=number), UUID(int=number + 1)])
        assert counts == [0, 1, 2]

    @pytest.mark.parametrize("call", [Broker.held, hand_over_one])
    def test_a_broker_that_freezes_at_any_moment_is_away(
        self,
        monkeypatch: pytest.MonkeyPatch,
        environment: None,
        call: Callable[[Broker], object],
    ) -> None:
        monkeypatch.setattr(broker, "PATIENCE", 0.1)
        send = cast(Callable[..., None], Connection.send_packed_command)
        refused = 0
        with valkey.running() as (url, program):
            monkeypatch.setenv("REDIS_URL", url)
            for moment in range(1, 30):
                left = iter(range(moment, 0, -1))

                def freeze(
                    connection: Connection,
                    command: object,
                    check_health: bool = True,
                    left: Iterator[int] = left,
                ) -> None:
                    if next(left, 0) == 1:
                        program.signal(signal.SIGSTOP)
                    send(connection, command, check_health)

                monkeypatch.setattr(Connection, "send_packed_command", freeze)
                with Celery("test", set_as_current=False) as app:
                    app.add_defaults(broker.options)
                    with suppress(OperationalError):
                        call(Broker(app))
                        break
                    refused += 1
                program.signal(signal.SIGCONT)
        assert refused == moment - 1 > 1
        assert next(left, None), "it froze, and was not waited for"
