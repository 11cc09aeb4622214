from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

FILL = text("""
WITH batch AS (
    SELECT id FROM users WHERE id > :last ORDER BY id LIMIT 1000
    FOR NO KEY UPDATE
), filled AS (
    UPDATE users SET display_name = name FROM batch
    WHERE users.id = batch.id AND display_name IS NULL
)
SELECT max(id) FROM batch
""")


async def fill(engine: AsyncEngine) -> None:
    """Fill the new column, a batch of users in each transaction."""
    last: int | None = 0  # ids begin at 1
    while last is not None:
        async with engine.begin() as connection:
            last = await connection.scalar(FILL, {"last": last})
