"""What becomes of a mail, whatever the mail server says, and when."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from accounts.config import SERVICE, Settings
from accounts.mail import (
    Mail,
    MailDelayedError,
    MailDoubtfulError,
    MailRefusedError,
    SmtpMailer,
)
from dev.ports import free_port
from tests.fixtures.sample_data import ANN
from tests.scripted import DROP, Script, speaking

Later = Callable[[float], None]
MAIL = Mail(ANN["email"], "Welcome", "Hello")


@pytest.fixture
def script() -> Script:
    """What the mail server says."""
    return Script()


@pytest.fixture
async def mailer(settings: Settings, script: Script) -> AsyncIterator[SmtpMailer]:
    """A mailer and its server."""
    async with speaking(script) as port:
        yield SmtpMailer(settings.model_copy(update={"smtp_port": port}))


@pytest.fixture
async def later() -> AsyncIterator[Later]:
    """Lets seconds pass at once, by the clock of the loop."""
    loop, passed = asyncio.get_running_loop(), list[float]()
    now = loop.time
    loop.time = lambda: now() + sum(passed)  # type: ignore[method-assign]  # a clock that can be set
    yield passed.append
    loop.time = now  # type: ignore[method-assign]  # as it was


async def send(mailer: SmtpMailer, seconds: float = 30, mail: Mail = MAIL) -> None:
    """Send a mail that may take some seconds."""
    await mailer.send(mail, "id", asyncio.get_running_loop().time() + seconds)


# --8<-- [start:accepted]
@pytest.mark.parametrize(
    "after", [{"QUIT": "421 closing"}, {"QUIT": DROP}, {"END": "250 OK\n421 closing"}]
)
async def test_nothing_matters_after_a_mail_was_accepted(
    mailer: SmtpMailer, script: Script, after: dict[str, str]
) -> None:
    script.replies |= after
    await send(mailer)
    assert len(script.mails) == 1


async def test_a_goodbye_that_never_comes_does_not_matter_either(
    mailer: SmtpMailer, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.mail.FAREWELL", 0.05)
    script.silent = {"QUIT"}
    await send(mailer)
    assert await script.left.get() == b""


# --8<-- [end:accepted]


# --8<-- [start:deadline]
@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("BANNER", MailDelayedError),
        ("EHLO", MailDelayedError),
        ("RCPT", MailDelayedError),
        ("END", MailDoubtfulError),
    ],
)
async def test_a_talk_ends_at_its_deadline_and_sends_nothing_more(
    mailer: SmtpMailer, script: Script, step: str, error: type[Exception], later: Later
) -> None:
    script.silent = {step}
    sending = asyncio.create_task(send(mailer, 60))
    await script.reached(step)
    later(61)
    with pytest.raises(error, match="TimeoutError"):
        await sending
    assert await script.left.get() == b""
    assert len(script.mails) == (step == "END")


async def test_what_was_not_sent_by_then_is_never_sent(
    mailer: SmtpMailer, script: Script
) -> None:
    script.reads.clear()
    large = MAIL._replace(text=("a" * 900 + "\n") * 18_000)
    sending = asyncio.create_task(send(mailer, 60, large))
    await script.reached("DATA")
    await asyncio.sleep(0.2)  # it is being sent
    sending.cancel()
    await asyncio.wait([sending])
    script.reads.set()
    await script.left.get()
    assert script.mails == []


async def test_the_deadline_is_of_all_steps_together(
    mailer: SmtpMailer, script: Script
) -> None:
    script.pause = 0.2
    with pytest.raises(MailDelayedError):
        await send(mailer, 0.5)
    assert script.mails == []
    await send(mailer, 60)
    assert len(script.mails) == 1


# --8<-- [end:deadline]


# --8<-- [start:judged]
@pytest.mark.parametrize(
    ("step", "reply", "error"),
    [
        ("BANNER", "554 go away", MailDelayedError),
        ("BANNER", DROP, MailDelayedError),
        ("EHLO", "550 no", MailDelayedError),
        ("MAIL", "553 not from you", MailDelayedError),
        ("MAIL", DROP, MailDelayedError),
        ("RCPT", "450 later", MailDelayedError),
        ("RCPT", "550 no such mailbox", MailRefusedError),
        ("DATA", "451 later", MailDelayedError),
        ("DATA", "554 no", MailRefusedError),
        ("END", "451 later", MailDelayedError),
        ("END", "421 closing", MailDelayedError),
        ("END", "554 spam", MailRefusedError),
        ("END", DROP, MailDoubtfulError),
        ("END", "hello", MailDoubtfulError),
        ("END", "354 go on", MailDoubtfulError),
    ],
)
async def test_a_mail_is_judged_by_what_is_known(
    mailer: SmtpMailer, script: Script, step: str, reply: str, error: type[Exception]
) -> None:
    script.replies[step] = reply
    with pytest.raises(error) as told:
        await send(mailer)
    assert ANN["email"] not in str(told.value)


# --8<-- [end:judged]


async def test_a_server_that_is_away_delays_a_mail(settings: Settings) -> None:
    away = settings.model_copy(update={"smtp_port": free_port()})
    with pytest.raises(MailDelayedError):
        await send(SmtpMailer(away))


async def test_a_mail_says_who_it_is_for(mailer: SmtpMailer, script: Script) -> None:
    await send(mailer)
    (mail,), (recipient,) = script.mails, script.recipients
    assert recipient == f"RCPT TO:<{ANN['email']}>"
    assert f"To: {ANN['email']}\r\n".encode() in mail
    assert f"Message-ID: <id@{SERVICE}>\r\n".encode() in mail


# --8<-- [start:stored]
@pytest.mark.parametrize(
    "stored",
    [
        "=?us-ascii?q?victim=40example.net=2c?=@example.org",
        "a@example.org,victim@example.net",
        "a@example.org\r\nBcc: victim@example.net",
        "Ann <victim@example.net>",
        "Ann@example.org",
        "bücher@example.org",
        "",
    ],
)
async def test_an_address_that_was_stored_by_older_code_gets_no_mail(
    mailer: SmtpMailer, script: Script, stored: str
) -> None:
    with pytest.raises(MailRefusedError, match="AddressError"):
        await send(mailer, mail=MAIL._replace(to=stored))
    assert script.told == {}


# --8<-- [end:stored]
