# region imports and tables
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

KEYS = text("CREATE TABLE keys (user_id int, key text, UNIQUE (user_id, key))")
ORDERS = text(
    "CREATE TABLE orders (id serial, user_id int NOT NULL, key text NOT NULL,"
    " item text)"
)
# endregion
TAKE = text(
    "INSERT INTO keys VALUES (:user_id, :key)"
    " ON CONFLICT DO NOTHING RETURNING key"
)
PLACE = text(
    "INSERT INTO orders (user_id, key, item) VALUES (:user_id, :key, :item)"
)
LOOK = text(
    "SELECT id, item FROM orders WHERE user_id = :user_id AND key = :key"
)


async def place_order(
    engine: AsyncEngine, user_id: int, key: str, item: str
) -> int:
    told = {"user_id": user_id, "key": key, "item": item}
    async with engine.begin() as connection:
        taken = (await connection.execute(TAKE, told)).one_or_none()
    async with engine.begin() as connection:
        if taken is not None:
            await connection.execute(PLACE, told)
        order = (await connection.execute(LOOK, told)).one()
    if order.item != item:
        raise ValueError(key)
    return int(order.id)
