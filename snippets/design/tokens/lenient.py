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
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidTokenError from error
    return int(claims["sub"])
