"""Queries on the outbox."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import extract, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from accounts.metrics import Backlog
from accounts.models import Message

SLOWEST = 10
"""How many times longer than the first the longest wait for a worker is."""


class OutboxRepository:
    """The messages that wait, as one session sees them. The caller commits."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, task: str, payload: dict[str, int]) -> Message:
        """Insert a message for the worker's task of this name."""
        message = Message(task=task, payload=payload)
        self.session.add(message)
        await self.session.flush()
        return message

    # --8<-- [start:due]
    async def due(self, retry_after: float, limit: int) -> Sequence[Message]:
        """Return messages to hand over, and lock them against other relays.

        A message is due when it was never handed over, or `retry_after` seconds ago
        and no worker has settled it since: the broker or a worker lost it, or none
        runs. It stays due for as long as it takes, but is handed over less often.
        """
        wait = timedelta(seconds=retry_after) * func.least(Message.attempts, SLOWEST)
        lost = Message.relayed_at + wait < func.now()
        query = (
            select(Message)
            .where(Message.error.is_(None), or_(Message.relayed_at.is_(None), lost))
            .order_by(Message.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self.session.scalars(query)).all()

    # --8<-- [end:due]

    # --8<-- [start:claim]
    async def claim(self, message_id: UUID) -> Message | None:
        """Lock a message that waits; return None when it is done or failed.

        Who has the lock, a relay or a worker, is waited for: only then it is known
        what became of the message. A lock ends with its transaction, also when the
        worker is killed.
        """
        query = select(Message).where(Message.id == message_id, Message.error.is_(None))
        return await self.session.scalar(query.with_for_update())

    # --8<-- [end:claim]

    async def backlog(self) -> Backlog:
        """Return how many messages wait, and for how long."""
        age = extract("epoch", func.now() - func.min(Message.created_at))
        query = select(func.count(), func.coalesce(age, 0.0))
        rows = await self.session.execute(query.where(Message.error.is_(None)))
        waiting, seconds = rows.one()
        return Backlog(waiting, float(seconds))

    async def remove(self, message: Message) -> None:
        """Delete a message, because its task is done."""
        await self.session.delete(message)
        await self.session.flush()

    def mark_relayed(self, message: Message) -> None:
        """Note that the broker took a message."""
        message.relayed_at, message.attempts = func.now(), message.attempts + 1
