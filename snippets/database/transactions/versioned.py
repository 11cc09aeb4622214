import asyncio
import os

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "versioned_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class SoldOutError(Exception):
    """Nobody can buy this item."""


# endregion


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  as documented



async def buy(sessions: Sessions, item_id: int) -> None:
    """Take an item from the stock, or raise `SoldOutError`."""
    async with sessions.begin() as session:
        item = await session.get_one(Item, item_id)
        if item.stock < 1:
            raise SoldOutError
        item.stock -= 1


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        session.add(Item(id=1, stock=1))
    await buy(sessions, 1)
    try:
        await buy(sessions, 1)
    except SoldOutError:
        print("one after the other: 1 sold")
        #> one after the other: 1 sold
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
