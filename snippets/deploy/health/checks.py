# region imports, the engine, the app, and a query of the database
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


async def asked() -> bool:
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, SQLAlchemyError):
        return False
    return True


# endregion
async def answers() -> bool:
    """Tell whether the database answers within a second."""
    asking = asyncio.create_task(asked())
    await asyncio.wait([asking], timeout=1)
    # It waits for no clean-up of a silent connection, as a timeout would.
    return not asking.cancel() and asking.result()


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
