"""The key by which a client may send a request again."""

from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError

NAME = "Idempotency-Key"
LETTERS = "[A-Za-z0-9_-]{16,64}"
"""What a key is made of: enough of it that nobody guesses one, as in a UUID."""


# --8<-- [start:key]
async def get_key(
    request: Request,
    idempotency_key: Annotated[str, Header(pattern=f'^({LETTERS}|"{LETTERS}")$')] = "",
) -> str:
    """Return the key of a request, or nothing where it has none.

    It comes in quotes, as the draft of the IETF has it, or without, as many send it.
    """
    if len(request.headers.getlist(NAME)) > 1:
        fault = {"type": "repeated", "loc": ("header", NAME.lower())}
        raise RequestValidationError([{**fault, "msg": "Say it once"}])
    return idempotency_key.strip('"')


IdempotencyKey = Annotated[str, Depends(get_key)]
# --8<-- [end:key]
