import asyncio
import os

from sqlalchemy import MetaData, UniqueConstraint, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "asked_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    __table_args__ = (UniqueConstraint("email", name="uq_users_email"),)


class EmailTakenError(Exception):
    """Another user has this address; the API answers 409."""


# endregion


async def add_user(sessions: Sessions, email: str) -> None:
    """Store a user, or raise `EmailTakenError`."""
    async with sessions.begin() as session:
        known = select(User).where(User.email == email)
        if await session.scalar(known):
            raise EmailTakenError
        session.add(User(email=email))


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    await add_user(sessions, "ann@example.org")
    try:
        await add_user(sessions, "ann@example.org")
    except EmailTakenError:
        print("taken")
        #> taken
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
