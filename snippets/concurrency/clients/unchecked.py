import asyncio
import os

import aiohttp


async def name_at(client: aiohttp.ClientSession, path: str) -> str:
    """Return the name that a service answers, whatever else it says."""
    async with client.get(path) as answer:
        body = await answer.json()
    return str(body.get("name", "unknown"))


async def names(url: str, paths: list[str], limit: float) -> list[str]:
    """Ask a service for several names, each within `limit` seconds."""
    timeout = aiohttp.ClientTimeout(total=limit)
    async with aiohttp.ClientSession(url, timeout=timeout) as client:
        return [await name_at(client, path) for path in paths]


async def main() -> None:
    print(await names(os.environ["UPSTREAM_URL"], ["/error"], limit=5))
    #> ['unknown']


if __name__ == "__main__":
    asyncio.run(main())
