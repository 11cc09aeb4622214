import asyncio


async def notify(address: str, sent: list[str]) -> None:
    """Stand in for a call to a mail service; it refuses one address."""
    await asyncio.sleep(0)
    if "@" not in address:
        raise ValueError(address)
    await asyncio.sleep(0.02)
    sent.append(address)


async def notify_all(addresses: list[str], sent: list[str]) -> None:
    """Send all messages at once."""
    await asyncio.gather(*(notify(address, sent) for address in addresses))


async def main() -> None:
    sent: list[str] = []
    try:
        await notify_all(["ann@example.org", "bob", "cy@example.org"], sent)
    except ValueError as error:
        print("failed:", error)
        #> failed: bob
    await asyncio.sleep(0.1)
    print("sent after the failure:", sent)
    #> sent after the failure: ['ann@example.org', 'cy@example.org']


if __name__ == "__main__":
    asyncio.run(main())
