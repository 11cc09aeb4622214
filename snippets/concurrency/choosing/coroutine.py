import asyncio
from concurrent.futures import Executor


def sum_of_squares(limit: int) -> int:
    """Keep a processor busy."""
    return sum(number * number for number in range(limit))


async def answer(processes: Executor | None, limit: int) -> int:
    """Compute in a coroutine, which never awaits."""
    return sum_of_squares(limit)


async def main() -> None:
    print(await answer(None, limit=1000))
    #> 332833500


if __name__ == "__main__":
    asyncio.run(main())
