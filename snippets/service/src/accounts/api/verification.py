"""Where an address is confirmed."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from accounts.api.dependencies import Users
from accounts.api.errors import problems
from accounts.api.schemas import KnownId, UserRead
from accounts.api.spelling import StrictRoute

router = APIRouter(
    tags=["users"], responses=problems(400, 503), route_class=StrictRoute
)


class Verification(BaseModel):
    """What a user found in the mail."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")


# --8<-- [start:verify]
@router.post("/users/{user_id}/verification", responses=problems(403, 404))
async def verify_user(
    user_id: Annotated[KnownId, Path()], data: Verification, users: Users
) -> UserRead:
    """Confirm the address that the token was sent to; nothing else is asked."""
    return UserRead.model_validate(await users.verify(user_id, data.token))


# --8<-- [end:verify]
