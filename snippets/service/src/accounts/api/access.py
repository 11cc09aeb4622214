"""Who may do what: a user its own, an operator all."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Path
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from accounts import tokens
from accounts.api.dependencies import Users, get_resources
from accounts.api.schemas import KnownId
from accounts.models import User
from accounts.services.user_service import UserNotFoundError
from accounts.tokens import Bearer

bearer = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class ForbiddenError(Exception):
    """The token is good, but not for this."""


# --8<-- [start:bearer]
async def get_bearer(credentials: Credentials, connection: HTTPConnection) -> Bearer:
    """Return who asks, or raise `InvalidTokenError`, which is answered 401.

    Of two headers, a gateway may have checked the other one.
    """
    if credentials is None or len(connection.headers.getlist("Authorization")) != 1:
        raise tokens.InvalidTokenError
    settings = get_resources(connection).settings
    return tokens.verify(settings, credentials.credentials)


TheBearer = Annotated[Bearer, Depends(get_bearer)]
# --8<-- [end:bearer]


# --8<-- [start:access]
def operator(scope: str) -> Callable[[Bearer], Awaitable[None]]:
    """Let pass whoever has a scope; raise `ForbiddenError` for all others."""

    async def check(asking: TheBearer) -> None:
        if scope not in asking.scopes:
            raise ForbiddenError

    return check


def oneself_or(scope: str) -> Callable[[Bearer, int], Awaitable[None]]:
    """Let pass the user of the path, and whoever has a scope.

    Whether there is such a user is no matter: others shall not learn it.
    """

    async def check(asking: TheBearer, user_id: Annotated[KnownId, Path()]) -> None:
        if asking.user_id != user_id and scope not in asking.scopes:
            raise ForbiddenError

    return check


# --8<-- [end:access]


# --8<-- [start:current_user]
async def get_current_user(asking: TheBearer, users: Users) -> User:
    """Return the token's user, or raise `InvalidTokenError`, which is answered 401."""
    try:
        return await users.get(asking.user_id)
    except UserNotFoundError as error:
        raise tokens.InvalidTokenError from error


CurrentUser = Annotated[User, Depends(get_current_user)]
# --8<-- [end:current_user]
