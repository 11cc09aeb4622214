import asyncio
import logging
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# region the statements and the mail service
TAKE_JOB = text(
    "UPDATE jobs SET tries = tries + 1,"
    " due = now() + interval '1 minute' * 2 ^ tries"
    " WHERE id = (SELECT id FROM jobs WHERE due <= now() AND tries < 10"
    " ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, email"
)
END_JOB = text("DELETE FROM jobs WHERE id = :id")
LIMIT = 30  # seconds for a job, less than the first minute
PAUSE = 1  # seconds until a worker without a job looks again
log = logging.getLogger("worker")
sent: list[str] = []


async def send_welcome(email: str, key: int) -> None:
    """Stand in for a mail service, which drops a key that it knows."""
    await asyncio.sleep(0.2)
    sent.append(email)
    print("sent the welcome to", email)


# endregion


async def work(engine: AsyncEngine) -> bool:
    """Do the job that is due the longest; tell whether there was one."""
    async with engine.begin() as connection:
        job = (await connection.execute(TAKE_JOB)).one_or_none()
    if job:
        async with asyncio.timeout(LIMIT):
            await send_welcome(job.email, key=job.id)
        async with engine.begin() as connection:
            await connection.execute(END_JOB, {"id": job.id})
    return job is not None


async def run(engine: AsyncEngine) -> None:
    """Do one job after another, and look again after a pause."""
    while True:
        try:
            if await work(engine):
                continue
        except Exception:
            log.exception("the job comes back")
        await asyncio.sleep(PAUSE)


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    try:
        await run(engine)
    finally:
        await engine.dispose()
