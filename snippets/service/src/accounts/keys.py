"""The keys that sign and verify tokens: one secret, or a JWK set (RFC 7517)."""

import json
from dataclasses import dataclass
from functools import lru_cache

import jwt

ALGORITHMS = {"HS256", "EdDSA", "ES256", "RS256"}
SHORTEST = 32
"""Bytes that a shared secret has at least."""
WHAT = "it must be a secret of 32 bytes or more, or a JWK set of keys for "


@dataclass(frozen=True)
class Key:
    """A key, and the one algorithm that it is used with."""

    name: str | None
    """Its `kid`, which a token's header names; None where the token names none."""
    algorithm: str
    key: jwt.PyJWK
    is_private: bool
    """Whether it can sign what others verify without being able to sign."""

    @property
    def signs(self) -> bool:
        """Whether tokens can be made with it."""
        return self.is_private or self.algorithm == "HS256"


@lru_cache(maxsize=8)
def parse(text: str) -> tuple[Key, ...]:
    """Return the keys, the one that signs first.

    Raises `ValueError`, which tells what is wrong and not what was given.
    """
    if not text.lstrip().startswith("{"):
        secret = jwt.utils.base64url_encode(text.encode()).decode()
        return (make({"kty": "oct", "k": secret}),)
    try:
        keys = tuple(make(one) for one in json.loads(text)["keys"])
    except (jwt.PyJWTError, ArithmeticError, LookupError, TypeError, ValueError):
        keys = ()
    if not keys or len({key.name for key in keys}) < len(keys):
        wanted = WHAT + ", ".join(sorted(ALGORITHMS))
        raise ValueError(f"{wanted}, each with a kid of its own") from None  # noqa: TRY003  it is shown
    return keys


def make(told: dict[str, str]) -> Key:
    """Return the key that a JWK describes, or raise `ValueError` or what jwt raises."""
    if not isinstance(told, dict):
        raise TypeError
    key, name = jwt.PyJWK(told), told.get("kid")
    if key.algorithm_name not in ALGORITHMS or not isinstance(name, str | None):
        raise ValueError(WHAT + ", ".join(sorted(ALGORITHMS)))
    size = getattr(key.key, "key_size", 2048)
    if (isinstance(key.key, bytes) and len(key.key) < SHORTEST) or size < 256:
        raise ValueError(WHAT + ", ".join(sorted(ALGORITHMS)))
    if key.algorithm_name == "RS256" and size < 2048:
        raise ValueError("an RSA key must have 2,048 bits or more")  # noqa: TRY003  it is shown
    return Key(name, key.algorithm_name, key, is_private="d" in told)
