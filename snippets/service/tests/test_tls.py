"""TLS to the database, as the address asks for it, on each way to the database.

The server of the tests has none, so it can't be reached where the address insists.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from alembic.config import Config
from pydantic import SecretStr

from accounts import events
from accounts.config import Settings
from accounts.database import create_engine
from accounts.events import Feed
from alembic import command
from dev.processes import ROOT


async def query(settings: Settings) -> None:
    """Connect as requests and workers do."""
    engine = create_engine(settings)
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


async def listen(settings: Settings) -> None:
    """Connect as the streams do."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(events.listen_once(Feed(), settings), 0.2)


async def migrate(settings: Settings) -> None:
    """Connect as the migrations do."""
    attributes = {"url": settings.database_url.get_secret_value(), "logs": False}
    config = Config(ROOT / "alembic.ini", attributes=attributes)
    await asyncio.to_thread(command.current, config)


@pytest.mark.parametrize("connect", [query, listen, migrate])
async def test_it_is_insisted_on(
    connect: Callable[[Settings], Awaitable[None]], settings: Settings
) -> None:
    url = settings.database_url.get_secret_value()

    def asking(mode: str) -> Settings:
        asked = SecretStr(f"{url}?sslmode={mode}")
        return settings.model_copy(update={"database_url": asked})

    with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
        await connect(asking("require"))
    await connect(asking("disable"))
