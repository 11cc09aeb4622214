"""Queries on the jobs that are done from time to time."""

from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from accounts.models import Job


class JobRepository:
    """The jobs, as one session sees them. The caller commits."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def lock(self, name: str) -> bool:
        """Tell whether a job is due and nobody else does it; nobody will, from now on.

        A job that nobody knew is due at once.
        """
        new = insert(Job).values(name=name, due_at=func.now())
        due = select(Job.name).where(Job.name == name, Job.due_at <= func.now())
        locked = due.with_for_update(skip_locked=True)
        if await self.session.scalar(select(Job.name).where(Job.name == name)) is None:
            await self.session.execute(new.on_conflict_do_nothing())
        return await self.session.scalar(locked) is not None

    async def done(self, name: str, wait: timedelta) -> None:
        """Note that a job was done, and is due again after a while."""
        known = update(Job).where(Job.name == name)
        await self.session.execute(known.values(due_at=func.now() + wait))
