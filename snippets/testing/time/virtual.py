# region imports, and how to run on the virtual clock
import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import looptime
from tenacity import (
    retry,
    retry_if_exception_type,
    wait_exponential,
    wait_random,
)

VIRTUAL = partial(looptime.new_event_loop, start=0)
Pay = Callable[[], Awaitable[str]]


def run(main: Coroutine[Any, Any, str]) -> str:
    with asyncio.Runner(loop_factory=VIRTUAL) as runner:
        return runner.run(main)


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
    moments = list[float]()

    async def pay() -> str:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) < 4:
            raise ConnectionError
        return "paid"

    assert run(charge(pay)) == "paid"  # noqa: S101  it is a test
    waits = [round(end - start) for start, end in itertools.pairwise(moments)]
    assert waits == [1, 2, 4]  # noqa: S101  so too
