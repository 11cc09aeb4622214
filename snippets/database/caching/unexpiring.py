# region imports, the table, and how a total is read
import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

ORDERS = text("CREATE TABLE orders (user_id int, cents int NOT NULL)")
PLACE = text("INSERT INTO orders VALUES (:user_id, :cents)")
TOTAL = text(
    "SELECT coalesce(sum(cents), 0) FROM orders WHERE user_id = :user_id"
)
T = TypeVar("T")
log = logging.getLogger(__name__)


async def read(engine: AsyncEngine, user_id: int) -> int:
    async with engine.connect() as connection:
        found = await connection.execute(TOTAL, {"user_id": user_id})
    return int(found.scalar_one())


# endregion
PATIENCE = 0.1  # seconds that a request waits for an answer of the cache


async def ask(question: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(PATIENCE):
            return await question
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("no answer from the cache: %r", error)
        return None


async def total(cache: Redis, engine: AsyncEngine, user_id: int) -> int:
    key = f"shop:user:{user_id}:total"
    if (kept := await ask(cache.get(key))) is not None:
        return int(kept)
    await ask(cache.set(key, cents := await read(engine, user_id)))
    return cents


async def place_order(
    cache: Redis, engine: AsyncEngine, user_id: int, cents: int
) -> None:
    async with engine.begin() as connection:
        await connection.execute(PLACE.bindparams(user_id=user_id, cents=cents))
    await ask(cache.delete(f"shop:user:{user_id}:total"))
