import asyncio
import os
from typing import Any

from sqlalchemy import Index, MetaData, Select, func, select, text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema, DropSchema

# region the tables, in a schema of their own
SCHEMA = "indexed_example"


LITERAL = {"literal_binds": True}
BY_INDEX = {"Index Cond", "Recheck Cond"}  # of a node that knows where to look


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


# endregion


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    __table_args__ = (Index("ix_users_email", func.lower(text("email"))),)


def by_email(email: str) -> Select[Any]:
    """Return a query for the user with an address, in capitals or not."""
    return select(User).where(func.lower(User.email) == email.lower())


async def read_whole(session: AsyncSession, query: Select[Any]) -> list[str]:
    """Return the tables that a query reads from end to end."""
    connection = await session.connection()
    await connection.execute(text("SET LOCAL enable_seqscan = off"))
    sql = query.compile(dialect=connection.dialect, compile_kwargs=LITERAL)
    explain = f"EXPLAIN (FORMAT JSON) {sql}"
    answer = await connection.exec_driver_sql(explain)
    nodes, found = [answer.scalar_one()[0]["Plan"]], list[str]()
    for node in nodes:
        nodes += node.get("Plans", [])
        if "Relation Name" in node and not node.keys() & BY_INDEX:
            found.append(node["Relation Name"])
    return found


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        drop = DropSchema(SCHEMA, cascade=True, if_exists=True)
        await connection.execute(drop)
        await connection.execute(CreateSchema(SCHEMA))
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions() as session:
        print(await read_whole(session, by_email("ann@example.org")))
        #> []
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
