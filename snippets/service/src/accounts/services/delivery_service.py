"""Does what the messages of the outbox ask for."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import structlog

from accounts.config import Settings
from accounts.database import is_unreachable
from accounts.mail import (
    Mail,
    MailDelayedError,
    MailDoubtfulError,
    MailRefusedError,
)
from accounts.repositories.outbox_repository import Claim, OutboxRepository
from accounts.repositories.user_repository import UserRepository
from accounts.services.letters import KINDS, UnknownKindError, letter
from accounts.services.transaction import Transaction

LONGEST_WAIT = 3600.0
"""Seconds after which a message whose last try failed is due again, at most."""
PAUSES = (0.2, 1.0, 3.0)
"""Seconds between attempts to store what became of a message."""
EXPECTED = MailDelayedError, MailDoubtfulError
log = structlog.get_logger()


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, mail: Mail, known_as: str, deadline: float) -> None:
        """Send a mail before the loop's clock shows `deadline`.

        Raises `MailRefusedError`, `MailDelayedError` or `MailDoubtfulError`.
        """


# --8<-- [start:delivery]
class DeliveryService:
    """Sends the mails that messages ask for."""

    def __init__(
        self,
        users: UserRepository,
        outbox: OutboxRepository,
        mailer: Mailer,
        begin: Transaction,
        settings: Settings,
    ) -> None:
        self.users, self.outbox, self.mailer = users, outbox, mailer
        self.begin, self.settings = begin, settings

    # --8<-- [start:deliver]
    async def deliver(self, message_id: UUID) -> str:
        """Do what a message asks for; tell what came of it.

        A message that is done or another worker's is dropped. One whose mail fails, for
        whatever reason, is due again later, and set aside for people after
        `mail_tries` tries, or `mail_doubts` of them that may have sent the mail. Once a
        mail was sent, no error makes it "not sent".
        """
        settings, now = self.settings, asyncio.get_running_loop().time()
        async with self.begin():
            claim = await self.outbox.claim(message_id, settings.hold_seconds)
        if claim is None:
            return "dropped"
        if self.ends_with(claim.tries - 1, claim.doubts):
            return await self.set_aside(claim, "WorkerLost")
        try:
            outcome = await self.send(claim, now + settings.mail_timeout)
        except MailRefusedError as error:
            return await self.set_aside(claim, str(error), "refused")
        except Exception as error:
            if not isinstance(error, EXPECTED):
                log.exception("message_failed", kind=claim.kind, tries=claim.tries)
            return await self.failed(claim, error)
        await self.settle(lambda: self.outbox.remove(claim.id))
        return outcome

    # --8<-- [end:deliver]

    async def send(self, claim: Claim, deadline: float) -> str:
        """Send the mail, with no transaction open; tell whether there was one."""
        if claim.kind not in KINDS:
            raise UnknownKindError
        told = json.loads(claim.payload)
        async with self.begin():
            user = await self.users.get(told["user_id"])
        if user is None:
            return "gone"
        secret = str(told.get("secret", ""))
        mail = letter(claim.kind, user, secret, self.settings.verify_url)
        await self.mailer.send(mail, str(claim.id), deadline)
        return "sent"

    # --8<-- [end:delivery]

    async def failed(self, claim: Claim, error: Exception) -> str:
        """Let a message wait for its next try, or set it aside after the last one."""
        doubtful = isinstance(error, MailDoubtfulError)
        if self.ends_with(claim.tries, claim.doubts + doubtful):
            why = str(error) if isinstance(error, EXPECTED) else type(error).__name__
            return await self.set_aside(claim, why)
        waits = self.settings.relay_retry_after * 2 ** min(claim.tries - 1, 20)
        wait = min(waits, LONGEST_WAIT)
        await self.settle(lambda: self.outbox.release(claim, wait, doubtful))
        return "doubtful" if doubtful else "delayed"

    def ends_with(self, tries: int, doubts: int) -> bool:
        """Tell whether so many tries, and so many without an outcome, are enough."""
        return tries >= self.settings.mail_tries or doubts >= self.settings.mail_doubts

    async def set_aside(
        self, claim: Claim, why: str, outcome: str = "set_aside"
    ) -> str:
        """Keep a message for people, and say so."""
        await self.settle(lambda: self.outbox.set_aside(claim, why))
        log.error("message_set_aside", kind=claim.kind, tries=claim.tries, error=why)
        return outcome

    async def settle(self, change: Callable[[], Awaitable[None]]) -> None:
        """Store what became of a message; ask a database that is away some times more.

        If that fails too, the message stays this worker's for a while, and then counts
        as one of which nobody knows the outcome.
        """
        for pause in PAUSES:
            try:
                async with self.begin():
                    return await change()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                await asyncio.sleep(pause)
        async with self.begin():
            return await change()
