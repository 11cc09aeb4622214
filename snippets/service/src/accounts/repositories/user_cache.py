"""Users that were read a moment ago."""

import json
from datetime import datetime

from accounts.cache import Cache
from accounts.models import User

FORMAT = 2
"""Goes up with each change of what is kept. It stands in the value, not in the key,
so that a change by one release replaces what another one keeps."""


class UserCache:
    """Users by id. None replaces a newer version that the cache has."""

    def __init__(self, cache: Cache, namespace: str = "") -> None:
        self.cache, self.prefix = cache, f"{namespace}user:"

    async def get(self, user_id: int) -> User | None:
        """Return a user that belongs to no session, or None."""
        found = await self.cache.get(f"{self.prefix}{user_id}")
        if found is None:
            return None
        try:
            fields = dict(json.loads(found))
            if fields.pop("format") != FORMAT:
                return None
            created_at = datetime.fromisoformat(fields.pop("created_at"))
            return User(created_at=created_at, **fields)
        except (KeyError, TypeError, ValueError):  # another release wrote it
            return None

    async def put(self, user: User) -> None:
        """Keep a user as it was read."""
        await self.cache.put(f"{self.prefix}{user.id}", user.version, kept(user))

    async def change(self, user: User) -> None:
        """Keep a user as it was changed."""
        await self.cache.change(f"{self.prefix}{user.id}", user.version, kept(user))


def kept(user: User) -> str:
    """Return what is kept of a user."""
    fields = {
        "format": FORMAT,
        "id": user.id,
        "email": user.email,
        "display_name": user.display_name,
        "verified_email": user.verified_email,
        "version": user.version,
        "created_at": user.created_at.isoformat(),
    }
    return json.dumps(fields)
