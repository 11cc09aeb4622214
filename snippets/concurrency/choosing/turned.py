import asyncio
from collections.abc import Coroutine


async def turns_during(call: Coroutine[object, object, object]) -> bool:
    """Tell whether the event loop ran anything else before `call` ended."""
    if not asyncio.iscoroutine(call):
        raise TypeError(call)  # a task could run before the watch begins
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await call
    return turned.is_set()


async def fetch() -> None:
    """Stand in for a call to a database."""
    await asyncio.sleep(0.01)


async def total(limit: int) -> int:
    """Calculate in a coroutine, which never awaits."""
    return sum(range(limit))


async def main() -> None:
    print("turns while it waits:", await turns_during(fetch()))
    #> turns while it waits: True
    print("turns while it calculates:", await turns_during(total(1000)))
    #> turns while it calculates: False


if __name__ == "__main__":
    asyncio.run(main())
