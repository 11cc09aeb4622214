# region imports
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# endregion
ORDERS = text(
    "CREATE TABLE orders (id serial, user_id int NOT NULL, key text NOT NULL,"
    " item text, UNIQUE (user_id, key))"
)
PLACE = text(
    "INSERT INTO orders (user_id, key, item) VALUES (:user_id, :key, :item)"
    " ON CONFLICT (user_id, key) DO UPDATE SET key = excluded.key"
    " RETURNING id, item"
)


async def place_order(
    engine: AsyncEngine, user_id: int, key: str, item: str
) -> int:
    told = {"user_id": user_id, "key": key, "item": item}
    async with engine.begin() as connection:
        order = (await connection.execute(PLACE, told)).one()
    if order.item != item:
        raise ValueError(key)
    return int(order.id)
