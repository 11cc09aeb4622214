import asyncio
import os

import aiohttp
from pydantic import BaseModel


class User(BaseModel):
    name: str


async def name_at(url: str, path: str, limit: float) -> str:
    """Return the name of a user, or raise what went wrong."""
    timeout = aiohttp.ClientTimeout(total=limit)
    async with (
        aiohttp.ClientSession(url, timeout=timeout) as client,
        client.get(path) as answer,
    ):
        answer.raise_for_status()
        user = User.model_validate_json(await answer.read())
    return user.name


async def names(url: str, paths: list[str], limit: float) -> list[str]:
    """Ask a service for several names, each within `limit` seconds."""
    return [await name_at(url, path, limit) for path in paths]


async def main() -> None:
    url = os.environ["UPSTREAM_URL"]
    clients = await names(url, ["/whoami", "/whoami", "/whoami"], limit=5)
    print("connections:", len(set(clients)))
    #> connections: 3


if __name__ == "__main__":
    asyncio.run(main())
