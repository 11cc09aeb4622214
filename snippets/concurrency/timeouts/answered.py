import asyncio
import logging

from fastapi import FastAPI, HTTPException

app = FastAPI()
log = logging.getLogger(__name__)


async def fetch_rate(currency: str) -> float:
    """Stand in for a remote service, which never answers for one currency."""
    if currency == "XXX":
        await asyncio.Event().wait()
    return 1.08


@app.get("/rates/{currency}")
async def read_rate(currency: str) -> float:
    try:
        async with asyncio.timeout(5):  # seconds
            return await fetch_rate(currency)
    except TimeoutError:
        log.warning("no rate for %r within 5 seconds", currency)
        raise HTTPException(504, "no answer in time") from None
