"""Mail over SMTP."""

import asyncio
import contextlib
import socket
from email.message import EmailMessage
from typing import NamedTuple

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from accounts.addresses import AddressError, is_plain, recipients
from accounts.config import SERVICE, Settings

FAREWELL = 1.0
"""Seconds for the end of a talk whose mail was accepted."""


class MailRefusedError(Exception):
    """The mail server will never take this mail; another attempt is of no use."""


class MailDelayedError(Exception):
    """The mail was not sent; another attempt may succeed."""


class MailDoubtfulError(Exception):
    """The mail may have been sent: the server had it all and gave no answer."""


class Mail(NamedTuple):
    """A mail to one address."""

    to: str
    subject: str
    text: str


# --8<-- [start:mailer]
class SmtpMailer:
    """Sends mail through a server that asks for no login, such as a local relay."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    # --8<-- [start:send]
    async def send(self, mail: Mail, known_as: str, deadline: float) -> None:
        """Send a mail before the loop's clock shows `deadline`, or stop talking.

        Raises `MailRefusedError`, `MailDelayedError` or `MailDoubtfulError`, which
        name what went wrong and no address. `known_as` is the same each time, so that
        a reader can tell a second delivery from the first.
        """
        written, talk = self.written(mail, known_as), Talk(self.settings)
        try:
            async with asyncio.timeout_at(deadline):
                await talk.hand_over(mail.to, written)
        except (SMTPException, OSError) as error:
            raise talk.judged(error) from error
        finally:
            await talk.end()

    # --8<-- [end:send]

    def written(self, mail: Mail, known_as: str) -> bytes:
        """Return a mail's bytes, or raise `MailRefusedError` if they would go astray.

        What is stored may be older than the checks of today.
        """
        message = EmailMessage()
        if is_plain(mail.to):
            message["From"], message["To"] = self.settings.mail_from, mail.to
            message["Subject"] = mail.subject
            message["Message-ID"] = f"<{known_as}@{SERVICE}>"
            message.set_content(mail.text)
        sent = message.as_bytes()
        if recipients(sent) != [mail.to]:
            raise MailRefusedError(AddressError.__name__)
        return sent


class Talk:
    """One talk with the mail server."""

    def __init__(self, settings: Settings) -> None:
        self.server = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            local_hostname=socket.gethostname(),
            timeout=None,  # the whole talk has a deadline
            start_tls=False,
        )
        self.sender = settings.mail_from
        self.told_all = self.accepted = False

    async def hand_over(self, to: str, mail: bytes) -> None:
        """Hand over a mail, or raise what went wrong."""
        await self.server.connect()
        await self.server.ehlo()
        await self.server.mail(self.sender)
        await self.server.rcpt(to)
        self.told_all = True
        await self.server.data(mail)
        self.accepted = True

    async def end(self) -> None:
        """Say goodbye after a mail that was accepted; what comes of it is no matter.

        After another end, send no byte more, not even one that waits to be sent.
        """
        if self.accepted:
            with contextlib.suppress(SMTPException, OSError):
                await self.server.quit(timeout=FAREWELL)
        elif isinstance(self.server.transport, asyncio.WriteTransport):
            self.server.transport.abort()
        self.server.close()

    def judged(self, error: Exception) -> Exception:
        """Return what an error of the talk means for the mail.

        What the server says of the connection or of the sender is true of all mails,
        and can be mended without them.
        """
        code, told = 0, type(error).__name__
        if isinstance(error, SMTPResponseException):
            code, told = error.code, f"{told} {error.code}"
        decides = isinstance(error, (SMTPDataError, SMTPRecipientRefused))
        if decides and code >= 500:
            return MailRefusedError(told)
        if self.told_all and not (decides and code >= 400):
            return MailDoubtfulError(told)
        return MailDelayedError(told)


# --8<-- [end:mailer]
