"""Queries on the outbox."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Result,
    ScalarSelect,
    Text,
    Update,
    UpdateBase,
    case,
    cast,
    delete,
    extract,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from accounts.metrics import Backlog
from accounts.models import Message
from accounts.models.message import Payload

SLOWEST = 10
"""How many times longer than the first the longest wait for a worker is."""
WAITS = Message.error.is_(None)
ASIDE = Message.error.is_not(None)
COUNTED = 10_000
"""Messages that are counted one by one; how many more there are is estimated."""
# What the planner knows of the table, by its size on disk: it reads no row.
ESTIMATE = text("EXPLAIN (FORMAT JSON) SELECT FROM outbox")
SHARE = text(
    "SELECT coalesce(max(null_frac), 1) FROM pg_stats WHERE schemaname ="
    " current_schema() AND tablename = 'outbox' AND attname = 'error'"
)


class Claim(NamedTuple):
    """A message that one worker has for a while."""

    id: UUID
    kind: str
    payload: str
    """JSON, which is not read yet: it may be anything."""
    tries: int
    """How often a worker began with it, this time too."""
    doubts: int
    """How many of those before ended without anybody knowing how."""


class Aside(NamedTuple):
    """A message that was set aside for people."""

    id: UUID
    kind: str
    created_at: str
    tries: int
    error: str
    """Why."""


class OutboxRepository:
    """The messages that wait, as one session sees them. The caller commits."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, task: str, payload: Payload) -> Message:
        """Insert a message that asks for work of this kind."""
        message = Message(task=task, payload=payload)
        self.session.add(message)
        await self.session.flush()
        return message

    # --8<-- [start:due]
    async def fresh(self, limit: int) -> Sequence[UUID]:
        """Return messages that were never handed over, and lock them.

        Other relays pass over what is locked. Only the ids are read: a row that can't
        be understood harms its worker, not the relay.
        """
        return await self.locked(
            Message.relayed_at.is_(None), Message.created_at, limit
        )

    async def again(self, limit: int) -> Sequence[UUID]:
        """Return messages to hand over once more, and lock them.

        The broker or a worker lost them, no worker runs, or their last try failed.
        """
        late = Message.relayed_at.is_not(None) & (Message.due_at <= func.now())
        return await self.locked(late, Message.due_at, limit)

    async def locked(
        self,
        which: ColumnElement[bool],
        order: InstrumentedAttribute[datetime],
        limit: int,
    ) -> Sequence[UUID]:
        """Return the ids of messages that wait, oldest first, and lock the rows."""
        await self.read_in_order()
        query = select(Message.id).where(WAITS, which).order_by(order)
        query = query.limit(max(limit, 0)).with_for_update(skip_locked=True)
        return (await self.session.scalars(query)).all()

    async def mark_relayed(self, ids: Sequence[UUID], retry_after: float) -> None:
        """Note that the broker took messages, and when they would be due again.

        That is `retry_after` seconds later, and later each time: a message stays due
        for as long as no worker takes it, but is handed over less often.
        """
        attempts = Message.attempts + 1
        wait = timedelta(seconds=retry_after) * func.least(attempts, SLOWEST)
        taken = update(Message).where(Message.id.in_(ids))
        now = func.now()
        await self.run(
            taken.values(relayed_at=now, attempts=attempts, due_at=now + wait)
        )

    # --8<-- [end:due]

    # --8<-- [start:claim]
    async def claim(self, message_id: UUID, seconds: float) -> Claim | None:
        """Take a message for some seconds; return None when it is not to be had.

        It is done, set aside, or another worker's. A claim holds without a transaction,
        so none stays open while the work is done. What it counts is counted before
        the work begins: also the work that kills its worker ends.
        """
        now, until = func.now(), Message.held_until
        free = or_(until.is_(None), until < now)
        taken = (
            update(Message)
            .where(Message.id == message_id, WAITS, free)
            .values(
                tries=Message.tries + 1,
                doubts=Message.doubts + case((until.is_(None), 0), else_=1),
                held_until=now + timedelta(seconds=seconds),
            )
            .returning(
                Message.id,
                Message.task,
                cast(Message.payload, Text),
                Message.tries,
                Message.doubts,
            )
        )
        row = (await self.run(taken)).one_or_none()
        return Claim._make(row) if row else None

    async def remove(self, message_id: UUID) -> None:
        """Delete a message, because its work is done."""
        await self.run(delete(Message).where(Message.id == message_id))

    async def release(self, claim: Claim, seconds: float, doubtful: bool) -> None:
        """Give a claim back; the message is due again after some seconds.

        `doubtful` says that the work may have been done all the same.
        """
        now = func.now()
        until = now if doubtful else None
        due = now + timedelta(seconds=seconds)
        await self.run(self.held(claim).values(held_until=until, due_at=due))

    async def set_aside(self, claim: Claim, why: str) -> None:
        """Keep a message for people; nobody else tries it again."""
        await self.run(self.held(claim).values(held_until=None, error=why))

    # --8<-- [end:claim]

    def held(self, claim: Claim) -> Update:
        """Change a message, unless a later claim has it."""
        mine = Message.id == claim.id, Message.tries == claim.tries
        return update(Message).where(*mine)

    # --8<-- [start:aside]
    async def aside(self, limit: int) -> Sequence[Aside]:
        """Return messages that were set aside, the oldest first."""
        created = cast(Message.created_at, Text)
        query = select(Message.id, Message.task, created, Message.tries, Message.error)
        rows = await self.session.execute(
            query.where(ASIDE).order_by(Message.created_at).limit(limit)
        )
        return [Aside._make(row) for row in rows]

    async def send_again(self, ids: Sequence[UUID] | None, limit: int) -> int:
        """Let messages that were set aside wait like new ones; return how many.

        `None` means any of them, up to `limit`.
        """
        chosen = select(Message.id).where(ASIDE).order_by(Message.created_at)
        if ids is not None:
            chosen = chosen.where(Message.id.in_(ids))
        chosen = chosen.limit(limit).with_for_update(skip_locked=True)
        anew = update(Message).where(Message.id.in_(chosen.scalar_subquery()))
        anew = anew.values(
            **dict.fromkeys(("error", "relayed_at", "held_until")),
            **dict.fromkeys(("attempts", "tries", "doubts"), 0),
            due_at=func.now(),
        )
        return len((await self.run(anew.returning(Message.id))).all())

    # --8<-- [end:aside]

    # --8<-- [start:backlog]
    async def backlog(self) -> Backlog:
        """Return how many messages wait, for how long, and how many are set aside.

        The time it takes doesn't grow with their number: it reads the ends of
        indexes. Beyond `COUNTED`, the first number is an estimate, and the last one
        stays at one more than `COUNTED`.
        """
        await self.read_in_order()
        oldest = select(func.min(Message.created_at)).where(WAITS).scalar_subquery()
        age = func.coalesce(extract("epoch", func.now() - oldest), 0.0)
        query = select(counted(WAITS), age, counted(ASIDE))
        waiting, seconds, aside = (await self.session.execute(query)).one()
        if waiting > COUNTED:
            ((plan,),) = (await self.session.scalars(ESTIMATE)).all()
            share: float = (await self.session.scalars(SHARE)).one()
            waiting = max(waiting, round(plan["Plan"]["Plan Rows"] * share))
        return Backlog(waiting, float(seconds), aside)

    # --8<-- [end:backlog]

    async def read_in_order(self) -> None:
        """Let this transaction read indexes in their order, and sort nothing.

        Where the planner's statistics are old, as after a flood of messages, it may
        read and sort all of them to find the first.
        """
        await self.session.execute(select(func.set_config("enable_sort", "off", True)))

    async def run(self, statement: UpdateBase) -> Result[Any]:
        """Run a statement on rows that this session doesn't keep."""
        options = {"synchronize_session": False}
        return await self.session.execute(statement, execution_options=options)


def counted(which: ColumnElement[bool]) -> ScalarSelect[int]:
    """Return a query for the number of messages, up to one more than `COUNTED`.

    In the order of an index: else the planner may read the whole table for the first
    of them.
    """
    some = select(Message.id).where(which).order_by(Message.created_at)
    few = some.limit(COUNTED + 1).subquery()
    return select(func.count()).select_from(few).scalar_subquery()
