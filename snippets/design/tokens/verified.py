import re

import jwt


class InvalidTokenError(Exception):
    """The token is not one that this service would accept."""


def user_of(token: str, key: str) -> int:
    """Return whom a token is about, or raise `InvalidTokenError`."""
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=["HS256"],
            audience="orders",
            options={"require": ["exp", "aud", "sub"]},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidTokenError from error
    if not re.fullmatch("[1-9][0-9]{0,17}", claims["sub"]):
        raise InvalidTokenError
    return int(claims["sub"])
