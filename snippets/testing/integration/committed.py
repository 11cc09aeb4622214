# region imports, the table, and the sessions of the test
import os
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Sessions = async_sessionmaker[AsyncSession]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    tables = Base.metadata
    try:
        async with engine.begin() as connection:
            await connection.run_sync(tables.create_all, checkfirst=False)
        yield async_sessionmaker(engine, expire_on_commit=False)
        async with engine.begin() as connection:
            await connection.run_sync(tables.drop_all)
    finally:
        await engine.dispose()


# endregion
async def place_order(session: AsyncSession, item: str) -> Order:
    order = Order(item=item)
    session.add(order)
    await session.commit()
    return order


async def test_an_order_is_stored(sessions: Sessions) -> None:
    async with sessions() as session:
        order = await place_order(session, "book")
    async with sessions() as other:
        stored = await other.get(Order, order.id)
    assert stored is not None  # noqa: S101  it is a test
    assert stored.item == "book"  # noqa: S101  it is a test
