"""The welcome of a new user."""

from typing import Protocol
from uuid import UUID

from accounts.mail import MailRefusedError
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_repository import UserRepository
from accounts.services.transaction import Transaction


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, to: str, subject: str, text: str, message_id: str) -> None:
        """Send a mail, or raise `MailRefusedError`, or another error to try again."""


# --8<-- [start:welcome]
class WelcomeService:
    """Sends the mails that messages ask for."""

    def __init__(
        self,
        users: UserRepository,
        outbox: OutboxRepository,
        mailer: Mailer,
        begin: Transaction,
    ) -> None:
        self.users, self.outbox, self.mailer = users, outbox, mailer
        self.begin = begin

    async def welcome(self, message_id: UUID) -> str:
        """Send the mail of a message and remove the message; tell what was done.

        A message that was delivered twice is gone the second time. A worker that is
        killed between the mail and the commit makes a second mail with the same id.
        """
        async with self.begin():
            message = await self.outbox.claim(message_id)
            if message is None:
                return "dropped"
            user = await self.users.get(message.payload["user_id"])
            if user is None:
                await self.outbox.remove(message)
                return "gone"
            text = f"Hello {user.display_name}, welcome!"
            try:
                await self.mailer.send(user.email, "Welcome", text, str(message.id))
            except MailRefusedError as error:
                message.error = str(error)
                return "refused"
            await self.outbox.remove(message)
            return "sent"

    # --8<-- [end:welcome]
