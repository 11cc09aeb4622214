import asyncio
import os

from sqlalchemy import MetaData, UniqueConstraint
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
SCHEMA = "taken_example"


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
    try:
        async with sessions.begin() as session:
            session.add(User(email=email))
    except IntegrityError as error:
        refused = error.orig and error.orig.__cause__  # what asyncpg raised
        if getattr(refused, "constraint_name", "") != "uq_users_email":
            raise
        raise EmailTakenError from error


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
