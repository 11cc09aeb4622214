import asyncio
import os
import time

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
    """Ask for several names, and wait at most `limit` seconds for each read."""
    timeout = aiohttp.ClientTimeout(sock_read=limit)
    async with aiohttp.ClientSession(url, timeout=timeout) as client:
        return [await name_at(client, path) for path in paths]


async def main() -> None:
    limit = 0.25
    started = time.perf_counter()
    try:
        async with asyncio.timeout(3 * limit):
            await names(os.environ["UPSTREAM_URL"], ["/trickle"], limit)
    except TimeoutError:
        waited = time.perf_counter() - started
        print("it waited three times the limit:", waited >= 3 * limit)
        #> it waited three times the limit: True


if __name__ == "__main__":
    asyncio.run(main())
