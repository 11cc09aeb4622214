"""Mail over SMTP."""

import asyncio
import smtplib
from email.message import EmailMessage

from accounts.config import Settings

PATIENCE = 10.0
"""Seconds that each step of a conversation with the mail server may take."""


class MailRefusedError(Exception):
    """The mail server will never take this mail; another attempt is of no use."""


class MailDelayedError(Exception):
    """The mail could not be sent now; another attempt may succeed."""


# --8<-- [start:mailer]
class SmtpMailer:
    """Sends mail through a server that asks for no login, such as a local relay."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def send(self, to: str, subject: str, text: str, message_id: str) -> None:
        """Send a mail, or raise `MailRefusedError` or `MailDelayedError`.

        The same `message_id` tells a second delivery from the first.
        """
        mail = EmailMessage()
        mail["From"], mail["To"] = self.settings.mail_from, to
        mail["Subject"], mail["Message-ID"] = subject, f"<{message_id}@accounts>"
        mail.set_content(text)
        await asyncio.to_thread(self.hand_over, mail)

    def hand_over(self, mail: EmailMessage) -> None:
        """Talk to the mail server; this blocks."""
        host, port = self.settings.smtp_host, self.settings.smtp_port
        try:
            with smtplib.SMTP(host, port, timeout=PATIENCE) as server:
                server.send_message(mail)
        except OSError as error:
            kind = MailRefusedError if is_permanent(error) else MailDelayedError
            raise kind(type(error).__name__) from error


# --8<-- [end:mailer]


def is_permanent(error: OSError) -> bool:
    """Tell whether the server refused this mail for good.

    What it says of the connection or of the sender is true of all mails, and can be
    mended without them.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= 500
    return isinstance(error, smtplib.SMTPNotSupportedError)  # of the address
