# region imports, the tables, the use case, and how an administrator is obeyed
import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import URL, ForeignKey, make_url, select, text
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

Sessions = async_sessionmaker[AsyncSession]
SERVER = make_url(os.environ["DATABASE_URL"])


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", deferrable=True, initially="DEFERRED")
    )


async def place_order(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        user = User()
        session.add(user)
        await session.flush()
        session.add(Order(user_id=user.id))


async def create_tables(url: URL) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def run(statement: str) -> None:
    async def execute() -> None:
        engine = create_async_engine(SERVER, poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(statement))

    asyncio.run(execute())


@pytest.fixture(scope="session")
def template() -> Iterator[URL]:
    name = f"template_{uuid4().hex}"
    run(f"CREATE DATABASE {name}")
    asyncio.run(create_tables(SERVER.set(database=name)))
    yield SERVER.set(database=name)
    run(f"DROP DATABASE {name} WITH (FORCE)")


# endregion
@pytest.fixture
def copy(template: URL) -> Iterator[URL]:
    name = f"test_{uuid4().hex}"
    run(f"CREATE DATABASE {name} TEMPLATE {template.database}")
    yield SERVER.set(database=name)
    run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def sessions(copy: URL) -> AsyncIterator[Sessions]:
    engine = create_async_engine(copy)
    yield async_sessionmaker(engine)
    await engine.dispose()


async def test_an_order_belongs_to_a_user(sessions: Sessions) -> None:
    await place_order(sessions)
    async with sessions() as session:
        stored = (await session.scalars(select(Order))).one()
    assert stored.user_id  # noqa: S101  it is a test
