# region imports, a table, and the use case
import asyncio
import os
from typing import Protocol
from unittest.mock import create_autospec

from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = ({"prefixes": ["TEMPORARY"]},)
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


TABLE = Base.metadata.tables["orders"]


class Orders(Protocol):
    async def add(self, order: Order) -> None: ...


async def place_order(orders: Orders, item: str) -> str:
    order = Order(item=item)
    await orders.add(order)
    return f"/orders/{order.id}"


# endregion
class SqlOrders:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, order: Order) -> None:
        self.session.add(order)


class FakeOrders:
    def __init__(self) -> None:
        self.rows: list[Order] = []

    async def add(self, order: Order) -> None:
        self.rows.append(order)
        order.id = len(self.rows)


async def check_orders(orders: Orders) -> None:
    links = {await place_order(orders, "book") for _ in range(2)}
    numbered = links - {"/orders/None"}
    assert len(numbered) == 2, f"only {links}"  # noqa: S101  it is a test


# region the same test, three times
def test_on_a_fake() -> None:
    asyncio.run(check_orders(FakeOrders()))


def test_on_a_mock() -> None:
    numbers = iter((1, 2))

    def give_number(order: Order) -> None:
        order.id = next(numbers)

    orders = create_autospec(SqlOrders, instance=True)
    orders.add.side_effect = give_number
    asyncio.run(check_orders(orders))


def test_on_the_database() -> None:
    async def check() -> None:
        engine = create_async_engine(os.environ["DATABASE_URL"])
        try:
            async with engine.connect() as connection:
                await connection.execute(CreateTable(TABLE))
                async with AsyncSession(connection) as session:
                    await check_orders(SqlOrders(session))
        finally:
            await engine.dispose()

    asyncio.run(check())


# endregion
