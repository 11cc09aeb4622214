"""The users over HTTP: each handler reads a request, calls a use case, and answers."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.sse import EventSourceResponse
from pydantic import ValidationError

from accounts.api.access import CurrentUser, oneself_or, operator
from accounts.api.dependencies import MailLimit, UserEvents, Users
from accounts.api.errors import problems
from accounts.api.idempotency import IdempotencyKey
from accounts.api.schemas import (
    Digits,
    KnownId,
    UserCreate,
    UserEvent,
    UserPage,
    UserRead,
    UserUpdate,
)
from accounts.api.spelling import StrictRoute
from accounts.database import LARGEST_ID
from accounts.tokens import READ, WRITE

router = APIRouter(
    tags=["users"], responses=problems(400, 503), route_class=StrictRoute
)
ReadAll = Depends(operator(READ))
ReadOne, WriteOne = Depends(oneself_or(READ)), Depends(oneself_or(WRITE))
ThisId = Annotated[KnownId, Path()]


# --8<-- [start:create]
@router.post("/users", status_code=201, responses=problems(409, 429))
async def create_user(
    data: UserCreate, users: Users, mails: MailLimit, key: IdempotencyKey
) -> UserRead:
    """Create a user; a welcome e-mail follows. Anyone may, but not too often.

    A request that comes again with its key changes nothing, and gets the same answer.
    """
    user = await users.created(data.email, data.display_name, key)
    if user is None:
        await mails.take()
        user = await users.create(data.email, data.display_name, key)
    return UserRead.model_validate(user)


# --8<-- [end:create]


# --8<-- [start:list]
@router.get("/users", dependencies=[ReadAll], responses=problems(401, 403))
async def list_users(
    users: Users,
    limit: Annotated[int, Query(ge=1, le=100), Digits] = 20,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID), Digits] = 0,
) -> UserPage:
    """Return users by id, a page at a time."""
    rows = await users.page(after, limit + 1)
    page = [UserRead.model_validate(user) for user in rows[:limit]]
    return UserPage(users=page, next_after=page[-1].id if len(rows) > limit else None)


# --8<-- [end:list]


# --8<-- [start:stream]
@router.get(
    "/users/events",
    response_class=EventSourceResponse,
    dependencies=[ReadAll],
    responses=problems(401, 403),
)
async def stream_events(events: UserEvents) -> AsyncIterator[UserEvent]:
    """Send what happens to users from now on.

    The stream ends when events may be missed: read the list then, in a new stream.
    An event that only a newer release knows is none for this one.
    """
    while (event := await events.get()) is not None:
        with contextlib.suppress(ValidationError):
            yield UserEvent.model_validate_json(event)


# --8<-- [end:stream]


# --8<-- [start:read]
@router.get(
    "/users/{user_id}", dependencies=[ReadOne], responses=problems(401, 403, 404)
)
async def read_user(user_id: ThisId, users: Users) -> UserRead:
    """Return a user."""
    return UserRead.model_validate(await users.get(user_id))


# --8<-- [end:read]


# --8<-- [start:update]
@router.patch(
    "/users/{user_id}",
    dependencies=[WriteOne],
    responses=problems(401, 403, 404, 409, 429),
)
async def update_user(
    user_id: ThisId, data: UserUpdate, users: Users, mails: MailLimit
) -> UserRead:
    """Change the fields that the request names."""
    changes = data.model_dump(exclude_unset=True)
    if "email" in changes:  # a new address may get a mail
        await mails.take()
    user = await users.update(user_id, changes)
    return UserRead.model_validate(user)


# --8<-- [end:update]


# --8<-- [start:me]
@router.get("/me", responses=problems(401))
async def read_me(user: CurrentUser) -> UserRead:
    """Return the user of the bearer token."""
    return UserRead.model_validate(user)


# --8<-- [end:me]
