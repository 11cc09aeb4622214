import asyncio
import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor


def sum_of_squares(limit: int) -> int:
    """Keep a processor busy."""
    return sum(number * number for number in range(limit))


async def answer(processes: Executor, limit: int) -> int:
    """Compute in another process, and await the result."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(processes, sum_of_squares, limit)


async def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=2, mp_context=spawn) as processes:
        print(await answer(processes, limit=1000))
        #> 332833500


if __name__ == "__main__":
    asyncio.run(main())
