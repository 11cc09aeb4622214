"""What requests and responses hold."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from accounts.addresses import LONGEST, plain
from accounts.api.spelling import in_digits, readable
from accounts.database import LARGEST_ID

# --8<-- [start:fields]
UserId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
"""An id that the database can hold."""
Digits = BeforeValidator(in_digits)
KnownId = Annotated[UserId, Digits]
"""An id in a path, in its one spelling."""
Email = Annotated[
    str,
    Field(max_length=LONGEST, json_schema_extra={"format": "email"}),
    AfterValidator(plain),
]
"""An address that all read alike; two that differ in case only are one."""
DisplayName = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra={"format": "readable-name"}),
    AfterValidator(readable),
]
"""A name that shows something; JSON Schema can't say it otherwise."""
# --8<-- [end:fields]


# --8<-- [start:create]
class UserCreate(BaseModel):
    """What a new user needs. Other fields are refused."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    display_name: DisplayName


# --8<-- [end:create]


# --8<-- [start:update]
class UserUpdate(BaseModel):
    """What may change. A field that is left out stays as it is; null is refused."""

    model_config = ConfigDict(extra="forbid")

    email: Email = Field(default_factory=str)
    display_name: DisplayName = Field(default_factory=str)


# --8<-- [end:update]


# --8<-- [start:read]
class UserRead(BaseModel):
    """What a client sees of a user."""

    model_config = ConfigDict(from_attributes=True)

    id: UserId
    email: str
    display_name: str
    verified: bool
    """Whether the address was confirmed."""
    created_at: datetime


class UserPage(BaseModel):
    """Some users by id, and where the next ones begin."""

    users: list[UserRead]
    next_after: int | None
    """What to send as `after` for the next page; null on the last one."""


# --8<-- [end:read]


class UserEvent(BaseModel):
    """What happened to a user."""

    kind: Literal["created", "changed"]
    user_id: UserId


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


class Health(BaseModel):
    """How the process is."""

    status: Literal["ok", "unavailable"]
    version: str
    time: datetime
    """In UTC."""
