import asyncio
import os

import aiohttp


async def name_at(client: aiohttp.ClientSession, path: str) -> str:
    """Return the name that a service answers, or raise what went wrong."""
    async with client.get(path) as answer:
        answer.raise_for_status()
        body = await answer.json()
    return str(body["name"])


async def names(url: str, paths: list[str], limit: float) -> list[str]:
    """Ask a service for several names, waiting at most `limit` seconds for each read."""
    timeout = aiohttp.ClientTimeout(sock_read=limit)
    async with aiohttp.ClientSession(url, timeout=timeout) as client:
        return [await name_at(client, path) for path in paths]


async def main() -> None:
    url = os.environ["UPSTREAM_URL"]
    call = asyncio.create_task(names(url, ["/trickle"], limit=0.1))
    await asyncio.sleep(0.5)
    print("still waiting at five times the limit:", not call.done())
    #> still waiting at five times the limit: True
    call.cancel()


if __name__ == "__main__":
    asyncio.run(main())
