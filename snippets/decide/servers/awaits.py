import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
from fastapi import FastAPI


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep one client for the remote service, and no cookies."""
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    url = os.environ["UPSTREAM_URL"]
    client = httpx2.AsyncClient(base_url=url, cookies=jar, timeout=20)
    async with client as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/price")
async def price() -> str:
    """Wait for the remote service without holding the process."""
    answer = await app.state.client.get("/whoami")
    return str(answer.text)
