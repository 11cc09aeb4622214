import asyncio
import os

from sqlalchemy import CheckConstraint, MetaData, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "crossed_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    points: Mapped[int]
    __table_args__ = (CheckConstraint("points >= 0", name="ck_users_points"),)


# endregion


async def give(
    sessions: Sessions, giver_id: int, taker_id: int, points: int
) -> None:
    """Move points from one user to another."""
    async with sessions.begin() as session:
        giver = await session.get_one(User, giver_id, with_for_update=True)
        taker = await session.get_one(User, taker_id, with_for_update=True)
        giver.points -= points
        taker.points += points


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        session.add_all([User(id=1, points=5), User(id=2, points=5)])
    await give(sessions, giver_id=1, taker_id=2, points=3)
    await give(sessions, giver_id=2, taker_id=1, points=1)
    async with sessions() as session:
        users = await session.scalars(select(User).order_by(User.id))
        print([user.points for user in users])
        #> [3, 7]
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
