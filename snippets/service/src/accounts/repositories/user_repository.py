"""Queries on the table of users."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from accounts.database import root
from accounts.events import CHANNEL
from accounts.models import User

TAKEN = "uq_users_email"
"""The constraint that keeps addresses apart."""


class EmailTakenError(Exception):
    """Another user has this e-mail address."""


# --8<-- [start:repository]
class UserRepository:
    """The users, as one session sees them. The caller commits."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, user: User) -> None:
        """Insert a user and give it its id, or raise `EmailTakenError`.

        The constraint decides, not a query before: two requests can ask at once.
        """
        self.session.add(user)
        await self.flush()

    async def get(self, user_id: int) -> User | None:
        """Return a user, or None where there is none."""
        return await self.session.get(User, user_id)

    async def lock(self, user_id: int) -> User | None:
        """Return a user that no other transaction changes before this one ends."""
        return await self.session.get(User, user_id, with_for_update=True)

    # --8<-- [start:page]
    async def page(self, after: int, limit: int) -> Sequence[User]:
        """Return up to `limit` users by id, those with an id above `after`."""
        query = select(User).where(User.id > after).order_by(User.id).limit(limit)
        return (await self.session.scalars(query)).all()

    # --8<-- [end:page]
    # --8<-- [end:repository]

    # --8<-- [start:flush]
    async def flush(self) -> None:
        """Write what changed, or raise `EmailTakenError`."""
        try:
            await self.session.flush()
        except IntegrityError as error:
            if refused_by(error) == TAKEN:
                raise EmailTakenError from error
            raise

    # --8<-- [end:flush]

    # --8<-- [start:forget]
    async def forget(self, seconds: float, limit: int) -> int:
        """Delete users that were asked to confirm and never did; return how many.

        One that confirms in this moment stays: the row is locked first.
        """
        age = func.now() - timedelta(seconds=seconds)
        never = User.verified_email.is_(None), User.verification.is_not(None)
        query = select(User.id).where(*never, User.created_at < age)
        query = query.order_by(User.created_at).limit(limit)
        chosen = query.with_for_update(skip_locked=True).scalar_subquery()
        gone = delete(User).where(User.id.in_(chosen)).returning(User.id)
        options = {"synchronize_session": False}
        return len((await self.session.execute(gone, execution_options=options)).all())

    # --8<-- [end:forget]

    async def announce(self, payload: str) -> None:
        """Tell the streams of all processes, if the transaction is committed.

        PostgreSQL takes up to 8,000 bytes.
        """
        await self.session.execute(select(func.pg_notify(CHANNEL, payload)))


def refused_by(error: IntegrityError) -> str | None:
    """Return the name of the unique constraint that refused the row, if one did."""
    cause = root(error)
    if isinstance(cause, asyncpg.UniqueViolationError):
        return cause.constraint_name
    return None
