# region imports, and the model of what the remote service answers
import os

import aiohttp
from fastapi import FastAPI
from pydantic import BaseModel


class User(BaseModel):
    name: str


# endregion


app = FastAPI()


@app.get("/me")
async def read_me() -> User:
    async with (
        aiohttp.ClientSession(
            os.environ["UPSTREAM_URL"],
            timeout=aiohttp.ClientTimeout(total=5),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as client,
        client.get("/whoami") as answer,
    ):
        answer.raise_for_status()
        return User.model_validate_json(await answer.read())
