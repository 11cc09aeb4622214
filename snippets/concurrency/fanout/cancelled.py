import asyncio


async def notify(address: str, sent: list[str]) -> None:
    """Stand in for a call to a mail service; it refuses one address."""
    await asyncio.sleep(0)
    if "@" not in address:
        raise ValueError(address)
    await asyncio.sleep(0.02)
    sent.append(address)


async def notify_all(addresses: list[str], sent: list[str]) -> None:
    """Send all messages at once; when one fails, stop the others."""
    async with asyncio.TaskGroup() as tasks:
        for address in addresses:
            tasks.create_task(notify(address, sent))


async def main() -> None:
    sent: list[str] = []
    try:
        await notify_all(["ann@example.org", "bob", "cy@example.org"], sent)
    except ExceptionGroup as group:
        print("failed:", group.exceptions)
        #> failed: (ValueError('bob'),)
    await asyncio.sleep(0.1)
    print("sent after the failure:", sent)
    #> sent after the failure: []


if __name__ == "__main__":
    asyncio.run(main())
