import os

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]
engine = create_async_engine(  # it keeps one connection, beside the requests'
    URL, pool_size=1, max_overflow=0, pool_pre_ping=True
)
app = FastAPI()


@app.get("/healthz")
async def healthz() -> str:
    """Tell that the event loop turns. A failure means: restart it."""
    return "ok"


@app.get("/readyz")
async def readyz() -> str:
    """Tell whether it can serve. A failure means: send it no request."""
    return "ok"
