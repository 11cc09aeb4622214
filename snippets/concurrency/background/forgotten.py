import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

# region the table and the mail service
engine = create_async_engine(os.environ["DATABASE_URL"])
SIGNUPS = text("CREATE TABLE IF NOT EXISTS signups (email text PRIMARY KEY)")
ADD_USER = text("INSERT INTO signups VALUES (:email)")
sent: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Create the table at the start, and close the connections at the end."""
    async with engine.begin() as connection:
        await connection.execute(SIGNUPS)
    yield
    await engine.dispose()


async def send_welcome(email: str) -> None:
    """Stand in for a slow call to a mail service."""
    await asyncio.sleep(5)
    sent.append(email)


# endregion


app = FastAPI(lifespan=lifespan)


@app.post("/users/{email}", status_code=201)
async def sign_up(email: str) -> None:
    """Store a user, and send the welcome after the response."""
    async with engine.begin() as connection:
        await connection.execute(ADD_USER, {"email": email})
    asyncio.create_task(send_welcome(email))
