import asyncio


async def fetch_total(lines: list[int]) -> int:
    """Stand in for a slow call: an order with more lines takes longer."""
    for _ in lines:
        await asyncio.sleep(0.01)
    return sum(lines)


async def totals(orders: dict[str, list[int]]) -> dict[str, int]:
    """Return the total of each order, all asked for at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch_total(orders[key])) for key in orders]
    return dict(zip(orders, [task.result() for task in tasks], strict=True))


if __name__ == "__main__":
    print(asyncio.run(totals({"A1": [5, 5, 5], "B2": [7]})))
    #> {'A1': 15, 'B2': 7}
