import asyncio
import os

from pydantic import BaseModel, ConfigDict, Field
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
SCHEMA = "full_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    phone: Mapped[str | None]


# endregion


class UserUpdate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field("", min_length=1)
    phone: str | None = None


async def update_user(
    sessions: Sessions, user_id: int, data: UserUpdate
) -> None:
    """Change the fields of a user that the request names, and no other."""
    changes = data.model_dump()
    async with sessions.begin() as session:
        user = await session.get_one(User, user_id, with_for_update=True)
        for field, value in changes.items():
            setattr(user, field, value)


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        session.add(User(id=1, name="Ann", phone="555 0100"))
    await update_user(sessions, 1, UserUpdate(name="Anna"))
    async with sessions() as session:
        user = await session.get_one(User, 1)
        print(user.name, user.phone)
        #> Anna None
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
