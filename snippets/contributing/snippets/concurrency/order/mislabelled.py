import asyncio


async def fetch_total(lines: list[int]) -> int:
    """Stand in for a slow call: an order with more lines takes longer."""
    for _ in lines:
        await asyncio.sleep(0.01)
    return sum(lines)


async def totals(orders: dict[str, list[int]]) -> dict[str, int]:
    """Return the total of each order, all asked for at once."""
    calls = [fetch_total(orders[name]) for name in orders]
    results = [await result for result in asyncio.as_completed(calls)]
    return dict(zip(orders, results, strict=True))


if __name__ == "__main__":
    print(asyncio.run(totals({"A1": [5, 5, 5], "B2": [7]})))
    #> {'A1': 7, 'B2': 15}
