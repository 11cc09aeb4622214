import asyncio
import os

from sqlalchemy import CheckConstraint, ForeignKey, MetaData, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "whole_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


# endregion


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]
    __table_args__ = (CheckConstraint("stock >= 0", name="ck_items_stock"),)


class Order(Base):
    __tablename__ = "orders"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey(Item.id), primary_key=True)


async def place_order(sessions: Sessions, user_id: int, item_id: int) -> None:
    """Take an item from the stock and store the order, both or neither."""
    less = update(Item).where(Item.id == item_id).values(stock=Item.stock - 1)
    async with sessions.begin() as session:
        await session.execute(less)
        session.add(Order(user_id=user_id, item_id=item_id))


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        session.add(Item(id=1, stock=10))
    await place_order(sessions, user_id=7, item_id=1)
    try:
        await place_order(sessions, user_id=7, item_id=1)
    except IntegrityError:
        async with sessions() as session:
            item = await session.get_one(Item, 1)
            print("1 order,", item.stock, "left")
            #> 1 order, 9 left
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
