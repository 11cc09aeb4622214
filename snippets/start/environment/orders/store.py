"""Where orders are kept."""

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

sessions = async_sessionmaker[AsyncSession](expire_on_commit=False)
