import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for the remote service."""
    url, jar = os.environ["UPSTREAM_URL"], aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(url, cookie_jar=jar) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/price")
async def price() -> str:
    """Wait for the remote service without holding the process."""
    async with app.state.client.get("/whoami") as answer:
        return str(await answer.text())
