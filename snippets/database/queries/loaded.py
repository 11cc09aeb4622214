import asyncio
import os

from sqlalchemy import ForeignKey, MetaData, select
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
SCHEMA = "loaded_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[list["Line"]] = relationship(lazy="raise")


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey(Invoice.id))
    cents: Mapped[int]


# endregion


async def totals(session: AsyncSession) -> list[int]:
    """Return what each invoice comes to."""
    query = select(Invoice).order_by(Invoice.id)
    query = query.options(selectinload(Invoice.lines))
    invoices = await session.scalars(query)
    return [sum(line.cents for line in each.lines) for each in invoices]


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        lines = [[Line(cents=100), Line(cents=n)] for n in range(3)]
        session.add_all(Invoice(lines=pair) for pair in lines)
    async with sessions() as session:
        print(await totals(session))
        #> [100, 101, 102]
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
