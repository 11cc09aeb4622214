import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# region the tables, the plain statements and the mail service
USERS = text("CREATE TABLE users (email text PRIMARY KEY)")
OUTBOX = text(
    "CREATE TABLE outbox (id serial PRIMARY KEY, email text,"
    " tries integer DEFAULT 0, due timestamptz DEFAULT now())"
)
ADD_USER = text("INSERT INTO users VALUES (:email)")
ADD_JOB = text("INSERT INTO outbox (email) VALUES (:email)")
END_JOB = text("DELETE FROM outbox WHERE id = :id")
LIMIT = 30  # seconds for a job, less than the first minute
sent: list[str] = []


async def send_welcome(email: str, key: int) -> None:
    """Stand in for a mail service, which drops a key that it knows."""
    await asyncio.sleep(0.2)
    sent.append(email)


# endregion

TAKE_JOB = text(
    "UPDATE outbox SET tries = tries + 1,"
    " due = now() + interval '1 minute' * 2 ^ tries"
    " WHERE id = (SELECT id FROM outbox WHERE due <= now() AND tries < 10"
    " ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, email"
)


async def sign_up(engine: AsyncEngine, email: str) -> None:
    """Store a user and the job for a worker, both or neither."""
    async with engine.begin() as connection:
        await connection.execute(ADD_USER, {"email": email})
        await connection.execute(ADD_JOB, {"email": email})


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


async def main() -> None:
    own = {"server_settings": {"search_path": "outbox_example"}}
    engine = create_async_engine(os.environ["DATABASE_URL"], connect_args=own)
    async with engine.begin() as connection:
        drop = text("DROP SCHEMA IF EXISTS outbox_example CASCADE")
        await connection.execute(drop)
        await connection.execute(text("CREATE SCHEMA outbox_example"))
        await connection.execute(USERS)
        await connection.execute(OUTBOX)
    await sign_up(engine, "ann@example.org")
    print("answered, sent:", sent)
    #> answered, sent: []
    print("worked:", await work(engine), await work(engine))
    #> worked: True False
    print("sent:", sent)
    #> sent: ['ann@example.org']
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
