# region imports
import asyncio

PRICES = dict[str, int]()


# endregion
async def price_of(item: str) -> int:
    if item not in PRICES:
        await asyncio.sleep(0.01)  # stands for a call of a remote service
        PRICES[item] = 20
    return PRICES[item]


async def buy(stock: dict[str, int], item: str) -> int | None:
    if stock[item] == 0:
        return None
    price = await price_of(item)
    stock[item] -= 1
    return price


async def buy_twice(stock: dict[str, int]) -> list[int | None]:
    return [*await asyncio.gather(buy(stock, "book"), buy(stock, "book"))]


def test_the_last_book_is_sold_once() -> None:
    sold = asyncio.run(buy_twice({"book": 1}))
    assert sold == [20, None]  # noqa: S101  it is a test
