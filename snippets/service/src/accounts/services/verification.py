"""How an address is confirmed: by a secret that was sent there."""

import hashlib
import hmac
import secrets

from accounts.models import User


# --8<-- [start:verification]
def new_secret() -> str:
    """Return a secret that nobody guesses: 192 bits, in letters that suit a link."""
    return secrets.token_urlsafe(24)


def digest(secret: str, email: str) -> bytes:
    """Return what is stored: who reads it can't confirm, and it is of one address."""
    return hashlib.sha256(f"{secret}:{email}".encode()).digest()


def confirms(secret: str, user: User) -> bool:
    """Tell whether a secret is the one that was sent to the user's present address."""
    return user.verification is not None and hmac.compare_digest(
        user.verification, digest(secret, user.email)
    )


# --8<-- [end:verification]
