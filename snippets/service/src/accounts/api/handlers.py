"""The users over HTTP: each handler reads a request, calls a use case, and answers."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.sse import EventSourceResponse

from accounts.api.dependencies import CurrentUser, UserEvents, Users
from accounts.api.errors import problems
from accounts.api.schemas import (
    UserCreate,
    UserEvent,
    UserId,
    UserPage,
    UserRead,
    UserUpdate,
)
from accounts.database import LARGEST_ID

router = APIRouter(tags=["users"], responses=problems(503))
KnownId = Annotated[UserId, Path()]


# --8<-- [start:create]
@router.post("/users", status_code=201, responses=problems(400, 409))
async def create_user(data: UserCreate, users: Users) -> UserRead:
    """Create a user; a welcome e-mail follows."""
    user = await users.create(data.email, data.display_name)
    return UserRead.model_validate(user)


# --8<-- [end:create]


# --8<-- [start:list]
@router.get("/users")
async def list_users(
    users: Users,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
) -> UserPage:
    """Return users by id, a page at a time."""
    rows = await users.page(after, limit + 1)
    page = [UserRead.model_validate(user) for user in rows[:limit]]
    return UserPage(users=page, next_after=page[-1].id if len(rows) > limit else None)


# --8<-- [end:list]


# --8<-- [start:stream]
@router.get("/users/events", response_class=EventSourceResponse)
async def stream_events(events: UserEvents) -> AsyncIterator[UserEvent]:
    """Send what happens to users from now on.

    The stream ends when events may be missed: read the list then, in a new stream.
    """
    while (event := await events.get()) is not None:
        yield UserEvent.model_validate_json(event)


# --8<-- [end:stream]


# --8<-- [start:read]
@router.get("/users/{user_id}", responses=problems(404))
async def read_user(user_id: KnownId, users: Users) -> UserRead:
    """Return a user."""
    return UserRead.model_validate(await users.get(user_id))


# --8<-- [end:read]


# --8<-- [start:update]
@router.patch("/users/{user_id}", responses=problems(400, 404, 409))
async def update_user(user_id: KnownId, data: UserUpdate, users: Users) -> UserRead:
    """Change the fields that the request names."""
    user = await users.update(user_id, data.model_dump(exclude_unset=True))
    return UserRead.model_validate(user)


# --8<-- [end:update]


# --8<-- [start:me]
@router.get("/me", responses=problems(401))
async def read_me(user: CurrentUser) -> UserRead:
    """Return the user of the bearer token."""
    return UserRead.model_validate(user)


# --8<-- [end:me]
