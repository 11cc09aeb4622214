# region imports
import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import patch

from tenacity import (
    retry,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

Pay = Callable[[], Awaitable[str]]


# endregion
@retry(
    retry=retry_if_exception_type(ConnectionError),
    wait=wait_exponential(multiplier=1) + wait_random(0, 0.4),
)
async def try_to_pay(pay: Pay) -> str:
    return await pay()


async def charge(pay: Pay) -> str:
    async with asyncio.timeout(20):
        return await try_to_pay(pay)


def test_each_wait_is_twice_as_long() -> None:
    tries = list[str]()

    async def pay() -> str:
        tries.append("a try")
        if len(tries) < 4:
            raise ConnectionError
        return "paid"

    with patch.object(asyncio, "sleep", autospec=True) as sleep:
        assert asyncio.run(charge(pay)) == "paid"  # noqa: S101  it is a test
    assert sleep.await_count == 3  # noqa: S101  so too
