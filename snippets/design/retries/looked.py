# region imports
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# endregion
ORDERS = text("CREATE TABLE orders (id serial, key text, item text)")
LOOK = text("SELECT id, item FROM orders WHERE key = :key")
PLACE = text(
    "INSERT INTO orders (key, item) VALUES (:key, :item) RETURNING id, item"
)


async def place_order(engine: AsyncEngine, key: str, item: str) -> int:
    told = {"key": key, "item": item}
    async with engine.begin() as connection:
        order = (await connection.execute(LOOK, told)).one_or_none()
        if order is None:
            order = (await connection.execute(PLACE, told)).one()
    if order.item != item:
        raise ValueError(key)
    return int(order.id)
