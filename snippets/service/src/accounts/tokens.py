"""Bearer tokens: signed, short-lived, and about one user."""

from datetime import UTC, datetime, timedelta

import jwt

from accounts.config import Settings
from accounts.database import LARGEST_ID

ALGORITHM = "HS256"
AUDIENCE = "accounts"


class InvalidTokenError(Exception):
    """The token is not one that this service would accept."""


# --8<-- [start:tokens]
def issue(settings: Settings, user_id: int, lifetime: timedelta) -> str:
    """Return a token for a user."""
    claims = {
        "sub": str(user_id),
        "aud": AUDIENCE,
        "exp": datetime.now(UTC) + lifetime,
    }
    return jwt.encode(claims, settings.token_key.get_secret_value(), ALGORITHM)


def verify(settings: Settings, token: str) -> int:
    """Return the id of the token's user, or raise `InvalidTokenError`."""
    try:
        claims = jwt.decode(
            token,
            settings.token_key.get_secret_value(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "sub", "aud"]},
        )
        user_id = int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidTokenError from error
    if not 0 < user_id <= LARGEST_ID:
        raise InvalidTokenError
    return user_id


# --8<-- [end:tokens]
