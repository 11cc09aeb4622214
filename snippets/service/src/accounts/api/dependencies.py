"""What handlers ask for, made for each request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from sqlalchemy.ext.asyncio import AsyncSession

from accounts.allowance import Allowance
from accounts.config import ServerSettings
from accounts.database import Probe, Sessions
from accounts.events import Events, Feed
from accounts.repositories.idempotency_repository import IdempotencyRepository
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_cache import UserCache
from accounts.repositories.user_repository import UserRepository
from accounts.services.idempotency import Once
from accounts.services.user_service import UserService
from accounts.turns import Turns


@dataclass(frozen=True)
class Resources:
    """What the process opened at its start and all requests share."""

    settings: ServerSettings
    sessions: Sessions
    cache: UserCache
    feed: Feed
    probe: Probe
    turns: Turns
    allowance: Allowance


def get_resources(connection: HTTPConnection) -> Resources:
    """Return what the lifespan opened."""
    resources: Resources = connection.app.state.resources
    return resources


# --8<-- [start:session]
async def get_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """Give a session that is closed before the response is sent."""
    async with get_resources(connection).sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_users(session: Session, connection: HTTPConnection) -> UserService:
    """Return the use cases; as a plain function it would take a thread."""
    shared = get_resources(connection)
    return UserService(
        UserRepository(session),
        OutboxRepository(session),
        shared.cache,
        Once(IdempotencyRepository(session)),
        session.begin,
        shared.turns,
    )


Users = Annotated[UserService, Depends(get_users)]
# --8<-- [end:session]


# --8<-- [start:events]
async def get_events(connection: HTTPConnection) -> AsyncIterator[Events]:
    """Give what happens from now on; without a database, raise `TimeoutError` soon."""
    resources = get_resources(connection)
    async with asyncio.timeout(resources.settings.pool_timeout):
        await resources.feed.listening.wait()
    with resources.feed.stream() as events:
        yield events


UserEvents = Annotated[Events, Depends(get_events)]
# --8<-- [end:events]


# --8<-- [start:mails]
@dataclass(frozen=True)
class Mails:
    """What one client may cause."""

    allowance: Allowance
    client: str

    async def take(self) -> None:
        """Count one request that sends a mail, or raise `TooOftenError`."""
        await self.allowance.take(self.client)


async def get_mails(connection: HTTPConnection) -> Mails:
    """Return what the client of this request may cause, by its address."""
    client = connection.client.host if connection.client else ""
    return Mails(get_resources(connection).allowance, client)


MailLimit = Annotated[Mails, Depends(get_mails)]
# --8<-- [end:mails]
