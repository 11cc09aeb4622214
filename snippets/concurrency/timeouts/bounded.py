import asyncio
import time


async def fetch_profile(delay: float) -> str:
    """Stand in for a remote call that answers after `delay` seconds."""
    await asyncio.sleep(delay)
    return "profile"


async def profile_within(limit: float, delay: float) -> str:
    """Return the profile, or raise `TimeoutError` after `limit` seconds."""
    async with asyncio.timeout(limit):
        return await fetch_profile(delay)


async def main() -> None:
    print(await profile_within(limit=5, delay=0))
    #> profile

    started = time.perf_counter()
    try:
        await profile_within(limit=0.05, delay=30)
    except TimeoutError:
        elapsed = time.perf_counter() - started
        print("gave up within a second:", elapsed < 1)
        #> gave up within a second: True


if __name__ == "__main__":
    asyncio.run(main())
