# region imports and tables
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

KEYS = text("CREATE TABLE keys (key text PRIMARY KEY)")
ORDERS = text("CREATE TABLE orders (id serial, key text, item text)")
# endregion
TAKE = text(
    "INSERT INTO keys VALUES (:key) ON CONFLICT DO NOTHING RETURNING key"
)
PLACE = text("INSERT INTO orders (key, item) VALUES (:key, :item)")
LOOK = text("SELECT id, item FROM orders WHERE key = :key")


async def place_order(engine: AsyncEngine, key: str, item: str) -> int:
    told = {"key": key, "item": item}
    async with engine.begin() as connection:
        taken = (await connection.execute(TAKE, told)).one_or_none()
    async with engine.begin() as connection:
        if taken is not None:
            await connection.execute(PLACE, told)
        order = (await connection.execute(LOOK, told)).one()
    if order.item != item:
        raise ValueError(key)
    return int(order.id)
