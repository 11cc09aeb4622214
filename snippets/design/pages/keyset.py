from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


# region the table of orders
class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


# endregion
async def page(
    session: AsyncSession, start: int | None = None, limit: int = 3
) -> tuple[list[int], int]:
    """Return orders, newest first, and where the next page starts."""
    query = select(Order.id).order_by(Order.id.desc())
    if start is not None:
        query = query.where(Order.id < start)
    orders = [*await session.scalars(query.limit(limit))]
    return orders, min(orders, default=0)
