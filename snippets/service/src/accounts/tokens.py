"""Bearer tokens: signed, short-lived, about one user, and good for some scopes."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt
from jwt.types import Options
from jwt.utils import base64url_decode, base64url_encode
from pydantic import BaseModel, ConfigDict, Field

from accounts import keys
from accounts.config import ServerSettings
from accounts.database import LARGEST_ID
from accounts.keys import Key

AUDIENCE = "accounts"
LEEWAY = 5.0
"""Seconds that the clock of who issued a token may be ahead; none for its end."""
READ, WRITE = "users:read", "users:write"
"""Scopes of an operator, for all users; without them, a user's own is all there is."""
CHECKED: Options = {
    "require": ["exp", "sub", "aud"],
    "verify_exp": False,  # each time anew, see `verify`
    "verify_iat": False,
    "verify_nbf": False,
}


class InvalidTokenError(Exception):
    """The token is not one that this service would accept."""


@dataclass(frozen=True)
class Bearer:
    """Who sent a request, and what for."""

    user_id: int
    scopes: frozenset[str]


class Claims(BaseModel):
    """What a token says, in the one spelling that it has."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    sub: str = Field(pattern=r"^[1-9][0-9]{0,18}$")
    exp: int | float
    iat: int | float = 0
    nbf: int | float = 0
    scope: str = ""


# --8<-- [start:issue]
def issue(
    settings: ServerSettings,
    user_id: int,
    lifetime: timedelta,
    scopes: Iterable[str] = (),
) -> str:
    """Return a token for a user, if the settings hold a key that signs."""
    return mint(settings.token_key.get_secret_value(), user_id, lifetime, scopes)


def mint(key: str, user_id: int, lifetime: timedelta, scopes: Iterable[str]) -> str:
    """Return a token, signed with the first of the keys that can.

    Raises `ValueError` where none can.
    """
    signing = [one for one in keys.parse(key) if one.signs]
    if not signing:
        raise ValueError("none of these keys can sign")  # noqa: TRY003  it is shown
    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id),
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + lifetime,
        "scope": " ".join(scopes),
    }
    named = {"kid": signing[0].name} if signing[0].name else None
    return jwt.encode(claims, signing[0].key.key, signing[0].algorithm, headers=named)


# --8<-- [end:issue]


# --8<-- [start:verify]
def verify(settings: ServerSettings, token: str) -> Bearer:
    """Return whom a token is about and what it is good for.

    Raises `InvalidTokenError`. The key decides on the algorithm, never the token.
    """
    claims, now = read(settings.token_key.get_secret_value(), token), time.time()
    if claims.exp <= now or max(claims.iat, claims.nbf) > now + LEEWAY:
        raise InvalidTokenError
    return Bearer(int(claims.sub), frozenset(claims.scope.split(" ")) - {""})


@lru_cache(maxsize=1024)
def read(known: str, token: str) -> Claims:
    """Return what a token says if it was signed with a known key, at any time.

    Raises `InvalidTokenError`. A signature that was good once is good again.
    """
    try:
        key = key_of(known, token)
        told = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=AUDIENCE,
            options=CHECKED,
        )
        claims = Claims.model_validate(told)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise InvalidTokenError from error
    if int(claims.sub) > LARGEST_ID:
        raise InvalidTokenError
    return claims


def key_of(known: str, token: str) -> Key:
    """Return the key that a token's header names, or raise `InvalidTokenError`.

    A token that asks for more than is known here is refused, as is one whose parts
    could be spelled in another way.
    """
    header, parts = jwt.get_unverified_header(token), token.encode().split(b".")
    if "crit" in header or any(
        base64url_encode(base64url_decode(part)) != part for part in parts
    ):
        raise InvalidTokenError
    for key in keys.parse(known):
        if key.name == header.get("kid"):
            return key
    raise InvalidTokenError


# --8<-- [end:verify]
