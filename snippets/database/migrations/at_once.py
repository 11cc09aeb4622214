from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

FILL = text("""
UPDATE users SET display_name = name
WHERE display_name IS NULL
""")


async def fill(engine: AsyncEngine) -> None:
    """Fill the new column, all users in one transaction."""
    async with engine.begin() as connection:
        await connection.execute(FILL)
