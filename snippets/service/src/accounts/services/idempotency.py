"""How a request that comes twice is done once."""

import hashlib
import json

from accounts.models import User
from accounts.repositories.idempotency_repository import IdempotencyRepository, Kept


class KeyReusedError(Exception):
    """The key belongs to another request."""


# --8<-- [start:once]
class Once:
    """Knows which requests were done, within the transaction that does them."""

    def __init__(self, keys: IdempotencyRepository) -> None:
        self.keys = keys

    async def created(self, key: str, email: str, display_name: str) -> User | None:
        """Return whom a request with this key created, as it was then, or None.

        Raises `KeyReusedError` if that request said something else. Waits for nobody.
        """
        return result(await self.keys.get(key), email, display_name)

    async def take(self, key: str, email: str, display_name: str) -> User | None:
        """Do so too, and have the key to the end of the transaction.

        Another transaction that has it is waited for.
        """
        if not key:
            return None
        kept = await self.keys.take(key, fingerprint(email, display_name))
        return result(kept, email, display_name)

    async def keep(self, key: str, user: User) -> None:
        """Note whom the request with this key created."""
        if key:
            await self.keys.keep(key, user)


def fingerprint(*request: str) -> bytes:
    """Return a digest of what a request says, however it was spelt."""
    return hashlib.sha256(json.dumps(request).encode()).digest()


def result(kept: Kept | None, email: str, display_name: str) -> User | None:
    """Return the user that a request created, unless it was for something else."""
    if kept is None:
        return None
    if kept.fingerprint != fingerprint(email, display_name):
        raise KeyReusedError
    if kept.user_id is None:
        return None
    return User(
        id=kept.user_id,
        email=email,
        display_name=display_name,
        created_at=kept.created_at,
    )


# --8<-- [end:once]
