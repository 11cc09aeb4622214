# region all but the endpoint, as above
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import aiohttp
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel


class User(BaseModel):
    name: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(
        os.environ["UPSTREAM_URL"],
        timeout=aiohttp.ClientTimeout(total=5),  # seconds for a whole call
        cookie_jar=aiohttp.DummyCookieJar(),  # keeps no user's cookies
    ) as client:
        app.state.client = client
        yield  # the app answers requests until it is stopped


async def get_client(request: Request) -> aiohttp.ClientSession:
    client: aiohttp.ClientSession = request.app.state.client
    return client


Client = Annotated[aiohttp.ClientSession, Depends(get_client)]
app = FastAPI(lifespan=lifespan)


# endregion


@app.get("/me")
async def read_me(client: Client) -> User:
    async with client.get("/whoami") as answer:
        body = await answer.json()
    return User(name=body.get("name", "unknown"))
