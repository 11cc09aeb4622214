import os

from fastapi import FastAPI
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

URL = os.environ["DATABASE_URL"]
engine = create_async_engine(URL, poolclass=NullPool)
app = FastAPI()


@app.get("/healthz")
async def healthz() -> str:
    """Tell that the event loop turns. A failure means: restart it."""
    return "ok"


@app.get("/readyz")
async def readyz() -> str:
    """Tell whether it can serve. A failure means: send it no request."""
    return "ok"
