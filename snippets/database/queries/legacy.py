import asyncio
import os
from collections.abc import Sequence

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
SCHEMA = "legacy_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    paid: Mapped[bool]


# endregion


async def unpaid(session: AsyncSession) -> Sequence[Invoice]:
    """Return the invoices that nobody paid, the oldest first."""
    return list(
        session.query(Invoice)
        .filter(Invoice.paid.is_(False))
        .order_by(Invoice.id)
    )


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions() as session:
        try:
            await unpaid(session)
        except AttributeError as error:
            print(error)
            #> 'AsyncSession' object has no attribute 'query'
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
