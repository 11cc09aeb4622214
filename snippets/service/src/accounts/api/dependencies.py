"""What handlers ask for, made for each request."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from accounts import tokens
from accounts.config import Settings
from accounts.database import Sessions
from accounts.events import Events, Feed
from accounts.models import User
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_cache import UserCache
from accounts.repositories.user_repository import UserRepository
from accounts.services.user_service import UserNotFoundError, UserService


@dataclass(frozen=True)
class Resources:
    """What the process opened at its start and all requests share."""

    settings: Settings
    sessions: Sessions
    cache: UserCache
    feed: Feed


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
    """Return the use cases, over this request's session.

    It awaits nothing, but as a plain function it would take a thread.
    """
    cache = get_resources(connection).cache
    return UserService(
        UserRepository(session), OutboxRepository(session), cache, session.begin
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

bearer = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


# --8<-- [start:current_user]
async def get_current_user(
    credentials: Credentials, users: Users, connection: HTTPConnection
) -> User:
    """Return the token's user, or raise `InvalidTokenError`, which is answered 401."""
    if credentials is None:
        raise tokens.InvalidTokenError
    settings = get_resources(connection).settings
    user_id = tokens.verify(settings, credentials.credentials)
    try:
        return await users.get(user_id)
    except UserNotFoundError as error:
        raise tokens.InvalidTokenError from error


CurrentUser = Annotated[User, Depends(get_current_user)]
# --8<-- [end:current_user]
