import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

# region the tables and the statements
engine = create_async_engine(os.environ["DATABASE_URL"])
SIGNUPS = text("CREATE TABLE IF NOT EXISTS signups (email text PRIMARY KEY)")
JOBS = text(
    "CREATE TABLE IF NOT EXISTS jobs (id serial PRIMARY KEY, email text,"
    " tries integer DEFAULT 0, due timestamptz DEFAULT now())"
)
ADD_USER = text("INSERT INTO signups VALUES (:email)")
ADD_JOB = text("INSERT INTO jobs (email) VALUES (:email)")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Create the tables at the start, and close the connections at the end."""
    async with engine.begin() as connection:
        await connection.execute(SIGNUPS)
        await connection.execute(JOBS)
    yield
    await engine.dispose()


# endregion


app = FastAPI(lifespan=lifespan)


@app.post("/users/{email}", status_code=201)
async def sign_up(email: str) -> None:
    """Store a user and the job for a worker, both or neither."""
    async with engine.begin() as connection:
        await connection.execute(ADD_USER, {"email": email})
        await connection.execute(ADD_JOB, {"email": email})
