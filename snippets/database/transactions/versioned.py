import asyncio
import os

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "versioned_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class ChangedError(Exception):
    """Another user changed the item; the API answers 409."""


# endregion


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  as documented


async def set_stock(
    sessions: Sessions, item_id: int, version: int, stock: int
) -> None:
    """Store what a user typed who saw a version, or raise `ChangedError`."""
    try:
        async with sessions.begin() as session:
            item = await session.get_one(Item, item_id)
            if item.version != version:
                raise ChangedError
            item.stock = stock
    except StaleDataError as error:
        raise ChangedError from error


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
    async with sessions() as session:
        seen = (await session.get_one(Item, 1)).version  # by two users
    await set_stock(sessions, 1, version=seen, stock=5)
    try:
        await set_stock(sessions, 1, version=seen, stock=7)
    except ChangedError:
        print("changed by another user")
        #> changed by another user
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
