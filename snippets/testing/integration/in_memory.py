# region imports, and the sessions of the test
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Sessions = async_sessionmaker[AsyncSession]


class Base(DeclarativeBase):
    pass


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    engine = create_async_engine(URL)
    tables = Base.metadata
    try:
        async with engine.begin() as connection:
            await connection.run_sync(tables.create_all, checkfirst=False)
        yield async_sessionmaker(engine)
        async with engine.begin() as connection:
            await connection.run_sync(tables.drop_all)
    finally:
        await engine.dispose()


# endregion
URL = "sqlite+aiosqlite://"


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str] = mapped_column(String(8))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


PER_ITEM = select(Order.item, func.count()).group_by(Order.item)


# region the test
async def test_two_orders_are_counted(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        user = User()
        session.add(user)
        await session.flush()
        for _ in range(2):
            session.add(Order(item="book", user_id=user.id))
    async with sessions() as other:
        counted = (await other.execute(PER_ITEM)).all()
    assert counted == [("book", 2)]  # noqa: S101  it is a test


# endregion
