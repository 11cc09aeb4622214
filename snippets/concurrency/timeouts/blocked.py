import asyncio
import time


async def fetch_profile(delay: float) -> str:
    """Stand in for a remote call made with a client that blocks."""
    time.sleep(delay)
    return "profile"


async def profile_within(limit: float, delay: float) -> str:
    """Promise the profile within `limit` seconds, and break the promise."""
    async with asyncio.timeout(limit):
        return await fetch_profile(delay)


async def main() -> None:
    limit = 0.03
    started = time.perf_counter()
    print(await profile_within(limit, delay=4 * limit))
    #> profile
    elapsed = time.perf_counter() - started
    print("took at least four times the limit:", elapsed >= 4 * limit)
    #> took at least four times the limit: True


if __name__ == "__main__":
    asyncio.run(main())
