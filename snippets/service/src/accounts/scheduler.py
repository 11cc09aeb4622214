"""Does the jobs that are due from time to time.

`python -m accounts.scheduler` does so until it is told to stop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from accounts import background, metrics, startup
from accounts.config import Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.monitor import Pulse
from accounts.repositories.idempotency_repository import IdempotencyRepository
from accounts.repositories.job_repository import JobRepository
from accounts.repositories.user_repository import UserRepository

BATCH = 1000
"""Rows that one transaction deletes."""
EVERY = timedelta(hours=1)
PAUSE = timedelta(minutes=10)
"""After this time, a job that failed is due again."""
log = structlog.get_logger()


# --8<-- [start:job]
async def do_if_due(
    sessions: Sessions, name: str, work: Callable[[AsyncSession], Awaitable[int]]
) -> int | None:
    """Do a job that is due; return how many rows it deleted, None if it did nothing.

    One of any number of schedulers does it: the one that locks the job's row. Job and
    row end in one transaction, so a scheduler that dies has done nothing, and another
    one does it. `work` changes rows over this session, and nothing else.
    """
    try:
        async with sessions.begin() as session:
            jobs = JobRepository(session)
            if not await jobs.lock(name):
                return None
            gone = await work(session)
            await jobs.done(name, timedelta() if gone == BATCH else EVERY)
    except Exception:
        async with sessions.begin() as session:  # fails while the database is away
            jobs = JobRepository(session)
            if await jobs.lock(name):
                await jobs.done(name, PAUSE)
        log.exception("job_failed", job=name)
        return None
    return gone


# --8<-- [end:job]


# --8<-- [start:forget]
async def forget(sessions: Sessions, settings: Settings) -> bool:
    """Forget users that never confirmed their address, if that is due.

    Return whether there is more to do at once.
    """

    def users(session: AsyncSession) -> Awaitable[int]:
        return UserRepository(session).forget(settings.forget_after, BATCH)

    gone = await do_if_due(sessions, "forget", users)
    if gone is not None:
        metrics.FORGOTTEN.inc(gone)
        log.info("users_forgotten", count=gone)
    return gone == BATCH


async def forget_keys(sessions: Sessions, settings: Settings) -> bool:
    """Forget the keys of requests that are too old to come again, if that is due.

    Return whether there is more to do at once.
    """

    def keys(session: AsyncSession) -> Awaitable[int]:
        kept = settings.idempotency_seconds
        return IdempotencyRepository(session).forget(kept, BATCH)

    gone = await do_if_due(sessions, "forget_keys", keys)
    if gone is not None:
        log.info("keys_forgotten", count=gone)
    return gone == BATCH


# --8<-- [end:forget]


async def schedule_until(
    stopped: asyncio.Event, settings: Settings, pulse: Pulse | None = None
) -> None:
    """Look for jobs that are due again and again, whatever is away meanwhile."""
    engine = create_engine(settings)
    sessions = create_sessions(engine)

    async def turn() -> bool:
        more = [await job(sessions, settings) for job in (forget, forget_keys)]
        return any(more)

    interval = settings.scheduler_interval
    await background.repeat(turn, stopped, interval, pulse or Pulse())
    await engine.dispose()


async def main() -> None:
    """Do what is due until SIGTERM or SIGINT."""
    await background.run("scheduler", schedule_until, startup.read(Settings))


if __name__ == "__main__":
    asyncio.run(main())
