"""What the worker and the relay do, on a real database and mail server."""

import asyncio
import json
import logging
import smtplib
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from unittest.mock import create_autospec
from uuid import uuid4

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import func, select
from sqlalchemy.exc import ProgrammingError

from accounts import relay, tasks
from accounts.broker import celery
from accounts.config import Settings
from accounts.database import Sessions
from accounts.mail import MailDelayedError, is_permanent
from accounts.models import Message, User
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.services.user_service import WELCOME
from accounts.tasks import welcome
from dev import mail
from dev.mail import Inbox
from tests.fixtures.sample_data import ANN


@pytest.fixture
def inbox() -> Inbox:
    """The mails that arrive."""
    return Inbox()


@pytest.fixture
def settings(settings: Settings, inbox: Inbox) -> Iterator[Settings]:
    """Settings with a mail server."""
    with mail.running(inbox) as port:
        yield settings.model_copy(update={"smtp_port": port})


@pytest.fixture
async def message(sessions: Sessions) -> Message:
    """A message that asks for a welcome."""
    async with sessions.begin() as session:
        user = User(**ANN)
        session.add(user)
        await session.flush()
        return await OutboxRepository(session).add("welcome", {"user_id": user.id})


async def stored(sessions: Sessions, message: Message) -> Message | None:
    """Return the message as it is in the database."""
    async with sessions() as session:
        return await session.get(Message, message.id)


# --8<-- [start:twice]
async def test_a_message_that_comes_twice_sends_one_mail(
    settings: Settings, inbox: Inbox, message: Message
) -> None:
    assert await welcome(settings, message.id) == "sent"
    assert await welcome(settings, message.id) == "dropped"
    (sent,) = inbox.mails
    assert (sent["To"], sent["Message-ID"]) == (
        ANN["email"],
        f"<{message.id}@accounts>",
    )


# --8<-- [end:twice]


async def test_two_workers_with_one_message_send_one_mail(
    settings: Settings, inbox: Inbox, message: Message
) -> None:
    async with asyncio.TaskGroup() as group:
        work = [group.create_task(welcome(settings, message.id)) for _ in range(4)]
    assert sorted(task.result() for task in work) == ["dropped"] * 3 + ["sent"]
    assert len(inbox.mails) == 1


async def test_a_refused_mail_is_kept_for_people_and_not_sent_again(
    settings: Settings, sessions: Sessions, inbox: Inbox, message: Message
) -> None:
    inbox.answer = "550 no such mailbox"
    assert await welcome(settings, message.id) == "refused"
    assert await welcome(settings, message.id) == "dropped"
    kept = await stored(sessions, message)
    assert kept is not None
    assert kept.error == "SMTPDataError"


@pytest.mark.parametrize("answer", ["451 later", "421 closing"])
async def test_a_mail_server_that_is_busy_leaves_the_message_waiting(
    settings: Settings, sessions: Sessions, inbox: Inbox, message: Message, answer: str
) -> None:
    inbox.answer = answer
    with pytest.raises(MailDelayedError):
        await welcome(settings, message.id)
    inbox.answer = "250 OK"
    assert await welcome(settings, message.id) == "sent"
    assert await stored(sessions, message) is None


REFUSALS = [
    (smtplib.SMTPRecipientsRefused({"a": (550, b"")}), True),
    (smtplib.SMTPRecipientsRefused({"a": (550, b""), "b": (450, b"")}), False),
    (smtplib.SMTPDataError(554, b""), True),
    (smtplib.SMTPDataError(452, b""), False),
    (smtplib.SMTPNotSupportedError(), True),
    (smtplib.SMTPSenderRefused(553, b"", "a"), False),
    (smtplib.SMTPConnectError(554, b""), False),
    (smtplib.SMTPHeloError(550, b""), False),
    (smtplib.SMTPServerDisconnected(), False),
    (ConnectionRefusedError(), False),
]


@pytest.mark.parametrize(("error", "permanent"), REFUSALS)
def test_a_mail_is_refused_for_what_it_is(error: OSError, permanent: bool) -> None:
    assert is_permanent(error) == permanent


# --8<-- [start:retries]
def test_a_bug_is_tried_once_and_a_passing_failure_again(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name in ("database_url", "redis_url", "token_key"):
        monkeypatch.setenv(name.upper(), getattr(settings, name).get_secret_value())
    attempts = list[Exception]()

    def attempts_at(error: Exception) -> int:
        async def fail(*_: object) -> str:
            attempts.append(error)
            raise error

        attempts.clear()
        monkeypatch.setattr(tasks, "welcome", fail)
        celery.tasks[WELCOME].apply((str(uuid4()),))
        return len(attempts)

    for passing in (ConnectionError(), TimeoutError(), MailDelayedError()):
        assert attempts_at(passing) == 4
    for bug in (ValueError(), FileNotFoundError(), ProgrammingError("", {}, OSError())):
        assert attempts_at(bug) == 1


# --8<-- [end:retries]


class TestRelay:
    """The relay, with a broker that is stood in for."""

    @pytest.fixture(autouse=True)
    def stand_in(self) -> None:
        """A broker that notes what it is sent."""
        self.broker = create_autospec(Celery, instance=True)

    async def test_a_message_is_handed_over_once(
        self, settings: Settings, sessions: Sessions, message: Message
    ) -> None:
        assert await relay.relay(sessions, self.broker, settings) == 1
        assert await relay.relay(sessions, self.broker, settings) == 0
        known_as = str(message.id)
        self.broker.send_task.assert_called_once_with(
            "welcome", [known_as], task_id=known_as, retry=False
        )

    async def test_what_the_broker_did_not_take_stays_due(
        self, settings: Settings, sessions: Sessions, message: Message
    ) -> None:
        async with sessions.begin() as session:
            await OutboxRepository(session).add("welcome", {"user_id": 1})
        self.broker.send_task.side_effect = [None, OperationalError, None]
        with pytest.raises(OperationalError):
            await relay.relay(sessions, self.broker, settings)
        assert await relay.relay(sessions, self.broker, settings) == 1
        first, failed, again = self.broker.send_task.call_args_list
        assert first != failed
        assert failed == again

    async def test_without_a_worker_no_message_is_lost(
        self, settings: Settings, sessions: Sessions, inbox: Inbox, message: Message
    ) -> None:
        hasty = settings.model_copy(update={"relay_retry_after": 0.0})
        for _ in range(20):
            assert await relay.relay(sessions, self.broker, hasty) == 1
        assert await welcome(settings, message.id) == "sent"
        assert len(inbox.mails) == 1

    async def test_a_worker_may_be_quicker_than_the_relay(
        self, settings: Settings, inbox: Inbox, sessions: Sessions, message: Message
    ) -> None:
        working = list[Future[str]]()

        def deliver(*_: object, **__: object) -> None:
            working.append(pool.submit(asyncio.run, welcome(settings, message.id)))
            wait(working, timeout=0.2)

        self.broker.send_task.side_effect = deliver
        with ThreadPoolExecutor() as pool:
            assert await relay.relay(sessions, self.broker, settings) == 1
            assert working[0].result(5) == "sent"
        assert len(inbox.mails) == 1
        assert await stored(sessions, message) is None

    async def test_it_goes_on_until_it_is_stopped(
        self, settings: Settings, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
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
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
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
        raise KeyError("nobody knew")

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


async def test_a_user_and_its_message_are_stored_together(
    sessions: Sessions, message: Message
) -> None:
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Message)) == 1
