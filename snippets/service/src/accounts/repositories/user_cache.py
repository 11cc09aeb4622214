"""Users that were read a moment ago."""

import json
from datetime import datetime

from accounts.cache import Cache
from accounts.models import User


class UserCache:
    """Users by id. What is older than the last change is never kept."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    async def get(self, user_id: int) -> User | None:
        """Return a user that belongs to no session, or None."""
        found = await self.cache.get(f"user:{user_id}")
        if found is None:
            return None
        fields = json.loads(found)
        created_at = datetime.fromisoformat(fields.pop("created_at"))
        return User(created_at=created_at, **fields)

    async def put(self, user: User) -> None:
        """Keep a user as it was committed."""
        fields = {
            "id": user.id,
            "email": user.email,
            "display_name": user.display_name,
            "version": user.version,
            "created_at": user.created_at.isoformat(),
        }
        await self.cache.put(f"user:{user.id}", user.version, json.dumps(fields))
