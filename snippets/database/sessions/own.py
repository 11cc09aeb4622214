# region imports
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateSchema

# endregion
# region the tables, in a schema of their own
SCHEMA = "own_example"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey(Item.id))


# endregion
# region the pool
POOL = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
WAITS = {"timeout": 2, "command_timeout": 5}  # seconds, as asyncpg takes them


async def create_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        schema = CreateSchema(SCHEMA, if_not_exists=True)
        await connection.execute(schema)
        await connection.run_sync(Base.metadata.create_all)


@asynccontextmanager
async def opened() -> AsyncIterator[AsyncEngine]:
    url = os.environ["DATABASE_URL"]
    engine = create_async_engine(
        url, pool_pre_ping=True, connect_args=WAITS, **POOL
    )
    await create_tables(engine)  # stands for a migration
    yield engine
    await engine.dispose()


# endregion
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with opened() as engine:
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        yield


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place_orders(items: list[int], session: Session) -> list[int]:
    orders = [Order(item_id=number) for number in items]
    for order in orders:
        if await session.get(Item, order.item_id) is None:
            raise HTTPException(404, f"no item {order.item_id}")
        session.add(order)
    await session.commit()
    return [order.id for order in orders]
