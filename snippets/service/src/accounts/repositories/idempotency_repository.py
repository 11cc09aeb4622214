"""Queries on the keys of requests that may come twice."""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from accounts.models import IdempotencyKey, User


class Kept(NamedTuple):
    """What is known of a key."""

    fingerprint: bytes
    user_id: int | None
    """Whom its request created; None where nobody used the key before."""
    created_at: datetime


COLUMNS = (
    IdempotencyKey.fingerprint,
    IdempotencyKey.user_id,
    IdempotencyKey.created_at,
)


class IdempotencyRepository:
    """The keys, as one session sees them. The caller commits."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, key: str) -> Kept | None:
        """Return what is known of a key, or None where nobody used it."""
        query = select(*COLUMNS).where(IdempotencyKey.key == key)
        row = (await self.session.execute(query)).one_or_none()
        return Kept._make(row) if row else None

    # --8<-- [start:take]
    async def take(self, key: str, fingerprint: bytes) -> Kept:
        """Insert a key, or lock the row that has it; return what is known of it.

        Of two requests at once, the second waits here until the first one's
        transaction ends. It then finds what came of it, or that nothing did.
        """
        new = insert(IdempotencyKey).values(key=key, fingerprint=fingerprint)
        # Unlike a query after it, it also finds a row that is deleted meanwhile.
        taken = new.on_conflict_do_update(
            index_elements=["key"], set_={"key": new.excluded.key}
        )
        row = await self.session.execute(taken.returning(*COLUMNS))
        return Kept._make(row.one())

    # --8<-- [end:take]

    async def keep(self, key: str, user: User) -> None:
        """Note what came of the request with this key."""
        known = update(IdempotencyKey).where(IdempotencyKey.key == key)
        result = {"user_id": user.id, "created_at": user.created_at}
        await self.session.execute(known.values(result))

    # --8<-- [start:forget]
    async def forget(self, seconds: float, limit: int) -> int:
        """Delete up to `limit` keys that are older; return how many there were."""
        age = func.now() - timedelta(seconds=seconds)
        old = select(IdempotencyKey.key).where(IdempotencyKey.created_at < age)
        old = old.order_by(IdempotencyKey.created_at).limit(limit)
        chosen = old.with_for_update(skip_locked=True).scalar_subquery()
        which = IdempotencyKey.key.in_(chosen)
        gone = delete(IdempotencyKey).where(which).returning(IdempotencyKey.key)
        options = {"synchronize_session": False}
        return len((await self.session.execute(gone, execution_options=options)).all())

    # --8<-- [end:forget]
