import asyncio
import os

from sqlalchemy import MetaData, UniqueConstraint
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
Sessions = async_sessionmaker[AsyncSession]
SCHEMA = "poisoned_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    __table_args__ = (UniqueConstraint("email", name="uq_users_email"),)


# endregion


async def import_users(sessions: Sessions, emails: list[str]) -> list[str]:
    """Store users, and return the addresses that were taken."""
    taken = list[str]()
    async with sessions.begin() as session:
        for email in sorted(emails):
            try:
                session.add(User(email=email))
                await session.flush()
            except IntegrityError as error:
                refused = error.orig and error.orig.__cause__
                if getattr(refused, "constraint_name", "") != "uq_users_email":
                    raise
                taken.append(email)
    return taken


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    emails = ["ann@example.org", "ann@example.org", "bob@example.org"]
    try:
        await import_users(sessions, emails)
    except PendingRollbackError:
        print("nothing was stored")
        #> nothing was stored
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
