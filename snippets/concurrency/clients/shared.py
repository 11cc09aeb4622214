import asyncio
import os

import aiohttp
from pydantic import BaseModel


class User(BaseModel):
    name: str


async def name_at(client: aiohttp.ClientSession, path: str) -> str:
    """Return the name of a user, or raise what went wrong."""
    async with client.get(path) as answer:
        answer.raise_for_status()
        user = User.model_validate_json(await answer.read())
    return user.name


async def names(url: str, paths: list[str], limit: float) -> list[str]:
    """Open a client, as an app does once; give each call `limit` seconds."""
    timeout = aiohttp.ClientTimeout(total=limit)
    jar = aiohttp.DummyCookieJar()  # no cookies: the client serves all users
    async with aiohttp.ClientSession(
        url,
        timeout=timeout,
        cookie_jar=jar,
    ) as client:
        return [await name_at(client, path) for path in paths]


async def main() -> None:
    url = os.environ["UPSTREAM_URL"]
    clients = await names(url, ["/whoami", "/whoami", "/whoami"], limit=5)
    print("connections:", len(set(clients)))
    #> connections: 1
    for path, limit in ("/error", 5), ("/hang", 0.1), ("/trickle", 0.1):
        try:
            await names(url, [path], limit)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            print(path, type(error).__name__)
            #> /error ClientResponseError
            #> /hang TimeoutError
            #> /trickle TimeoutError


if __name__ == "__main__":
    asyncio.run(main())
