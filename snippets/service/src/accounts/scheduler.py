"""Does the jobs that are due from time to time.

`python -m accounts.scheduler` does so until it is told to stop.
"""

import asyncio
from datetime import timedelta

import structlog

from accounts import background, metrics, startup
from accounts.config import Settings
from accounts.database import Sessions, create_engine, create_sessions
from accounts.monitor import Pulse
from accounts.repositories.job_repository import JobRepository
from accounts.repositories.user_repository import UserRepository

BATCH = 1000
"""Users that one transaction forgets."""
EVERY = timedelta(hours=1)
log = structlog.get_logger()


# --8<-- [start:forget]
async def forget(sessions: Sessions, settings: Settings) -> bool:
    """Forget users that never confirmed their address, if that is due.

    One of any number of schedulers does it: the one that locks the job's row. Job and
    row end in one transaction, so a scheduler that dies has done nothing, and another
    one does it. Return whether there is more to do at once.
    """
    async with sessions.begin() as session:
        jobs = JobRepository(session)
        if not await jobs.lock("forget"):
            return False
        gone = await UserRepository(session).forget(settings.forget_after, BATCH)
        more = gone == BATCH
        await jobs.done("forget", timedelta() if more else EVERY)
    metrics.FORGOTTEN.inc(gone)
    log.info("users_forgotten", count=gone)
    return more


# --8<-- [end:forget]


async def schedule_until(
    stopped: asyncio.Event, settings: Settings, pulse: Pulse | None = None
) -> None:
    """Look for jobs that are due again and again, whatever is away meanwhile."""
    engine = create_engine(settings)
    sessions = create_sessions(engine)

    async def turn() -> bool:
        return await forget(sessions, settings)

    interval = settings.scheduler_interval
    await background.repeat(turn, stopped, interval, pulse or Pulse())
    await engine.dispose()


async def main() -> None:
    """Do what is due until SIGTERM or SIGINT."""
    await background.run("scheduler", schedule_until, startup.read(Settings))


if __name__ == "__main__":
    asyncio.run(main())
