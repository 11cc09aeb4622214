import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

USERS = text("CREATE TABLE users (email text PRIMARY KEY)")
ADD_USER = text("INSERT INTO users VALUES (:email)")
sent: list[str] = []


async def send_welcome(email: str) -> None:
    """Stand in for a slow call to a mail service."""
    await asyncio.sleep(5)
    sent.append(email)


async def sign_up(engine: AsyncEngine, email: str) -> None:
    """Store a user, and send the welcome after the answer."""
    async with engine.begin() as connection:
        await connection.execute(ADD_USER, {"email": email})
    asyncio.create_task(send_welcome(email))


async def main() -> None:
    own = {"server_settings": {"search_path": "forgotten_example"}}
    engine = create_async_engine(os.environ["DATABASE_URL"], connect_args=own)
    async with engine.begin() as connection:
        drop = text("DROP SCHEMA IF EXISTS forgotten_example CASCADE")
        await connection.execute(drop)
        await connection.execute(text("CREATE SCHEMA forgotten_example"))
        await connection.execute(USERS)
    await sign_up(engine, "ann@example.org")
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
    print("the process ended, sent:", sent)
    #> the process ended, sent: []
