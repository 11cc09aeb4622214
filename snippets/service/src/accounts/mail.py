"""Mail over SMTP."""

import asyncio
import smtplib
from email.message import EmailMessage

from accounts.config import Settings

PATIENCE = 10.0
"""Seconds that each step of a conversation with the mail server may take."""


class MailRefusedError(Exception):
    """The mail server will never take this mail; another attempt is of no use."""


# --8<-- [start:mailer]
class SmtpMailer:
    """Sends mail; what the network does raises `OSError`, to be tried again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def send(self, to: str, subject: str, text: str, message_id: str) -> None:
        """Send a mail, or raise `MailRefusedError`.

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
        except smtplib.SMTPException as error:
            if is_permanent(error):
                raise MailRefusedError(type(error).__name__) from error
            raise


# --8<-- [end:mailer]


def is_permanent(error: smtplib.SMTPException) -> bool:
    """Tell whether the server answered with a code of 500 or more."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
