# region imports, and how long the server asks to wait
import asyncio

import aiohttp
from pydantic import BaseModel
from tenacity import (
    retry,
    retry_if_exception,
    stop_after_attempt,
    wait_exception,
    wait_random_exponential,
)


class Order(BaseModel):
    id: int


def asked(error: BaseException) -> float:
    """Return the seconds of `Retry-After`, or 0."""
    headers = getattr(error, "headers", None) or {}
    told = headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0


# endregion
def passes(error: BaseException) -> bool:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in {429, 502, 503, 504}
    lost = aiohttp.ClientConnectionError, aiohttp.ClientPayloadError
    return isinstance(error, (*lost, TimeoutError))


@retry(
    retry=retry_if_exception(passes),
    wait=wait_exception(asked) + wait_random_exponential(multiplier=0.2, max=2),
    stop=stop_after_attempt(4),
    reraise=True,
)
async def send(client: aiohttp.ClientSession, item: str) -> int:
    call = client.post("/orders", json={"item": item})
    async with call as answer:
        answer.raise_for_status()
        return Order.model_validate_json(await answer.read()).id


async def place_order(
    client: aiohttp.ClientSession, item: str, key: str
) -> int:
    async with asyncio.timeout(20):
        return await send(client, item)
