# region imports, the engine, and the app
import asyncio
import os

from fastapi import FastAPI, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]
engine = create_async_engine(  # it keeps one connection, beside the requests'
    URL, pool_size=1, max_overflow=0, pool_pre_ping=True
)
app = FastAPI()
# endregion


async def answers() -> bool:
    """Tell whether the database answers within a second."""
    try:
        async with asyncio.timeout(1), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, SQLAlchemyError):  # a timeout too
        return False
    return True


@app.get("/healthz")
async def healthz() -> str:
    """Tell that the event loop turns. A failure means: restart it."""
    return "ok"


@app.get("/readyz")
async def readyz(response: Response) -> str:
    """Tell whether it can serve. A failure means: send it no request."""
    ready = await answers()
    response.status_code = 200 if ready else 503
    return "ok" if ready else "unavailable"
