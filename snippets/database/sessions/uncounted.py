import asyncio
import os

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

POOL = {"pool_size": 5, "max_overflow": 5}
BESIDE = 2  # connections that a process opens outside its pool, as the service
ROOM = text("""
SELECT sum(CASE name WHEN 'max_connections' THEN 1 ELSE -1 END * setting::int)
FROM pg_settings WHERE name IN
('max_connections', 'superuser_reserved_connections', 'reserved_connections')
""")


async def processes_that_fit(engine: AsyncEngine) -> int:
    """Return how many processes with such a pool the server has room for."""
    async with engine.connect() as connection:
        room: int = (await connection.execute(ROOM)).scalar_one()
    return room // (POOL["pool_size"] + BESIDE)


async def main() -> None:
    engine = create_async_engine(os.environ["DATABASE_URL"])
    print(await processes_that_fit(engine), "processes fit")
    #> 13 processes fit
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
