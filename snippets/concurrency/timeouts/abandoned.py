import asyncio
import time

charged: list[str] = []


def charge_card(order: str, delay: float) -> None:
    """Stand in for a blocking payment client."""
    time.sleep(delay)
    charged.append(order)


async def charge_within(limit: float, order: str, delay: float) -> None:
    """Wait at most `limit` seconds for a charge that runs in a thread."""
    async with asyncio.timeout(limit):
        await asyncio.to_thread(charge_card, order, delay)


async def main() -> None:
    try:
        await charge_within(limit=0.05, order="A-17", delay=0.5)
    except TimeoutError:
        print("at the limit:", charged)
        #> at the limit: []
    loop = asyncio.get_running_loop()
    await loop.shutdown_default_executor()  # waits for the thread
    print("a moment later:", charged)
    #> a moment later: ['A-17']


if __name__ == "__main__":
    asyncio.run(main())
