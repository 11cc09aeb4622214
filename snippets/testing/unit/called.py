# region imports and an order
import asyncio
from dataclasses import dataclass
from unittest.mock import create_autospec


@dataclass
class Order:
    number: int
    paid: bool = False


# endregion
class OrderRepository:
    async def get(self, number: int) -> Order:
        raise ConnectionError("db.example.org")  # stands for a query

    async def save(self, order: Order) -> None:
        raise ConnectionError("db.example.org")  # stands for an update


class OrderService:
    def __init__(self, orders: OrderRepository) -> None:
        self.orders = orders

    async def pay(self, number: int) -> None:
        order = await self.orders.get(number)
        order.paid = True
        await self.orders.save(order)


def test_an_order_is_paid() -> None:
    orders = create_autospec(OrderRepository, instance=True)
    order = orders.get.return_value = Order(7)
    asyncio.run(OrderService(orders).pay(7))
    assert order.paid  # noqa: S101  it is a test
    orders.save.assert_called_once_with(order)
