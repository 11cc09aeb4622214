"""What can be done with users."""

import json
from collections.abc import Mapping, Sequence

import structlog

from accounts.models import User
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_cache import UserCache
from accounts.repositories.user_repository import EmailTakenError, UserRepository
from accounts.services.transaction import Transaction, tried_again
from accounts.turns import Turns

__all__ = ["EmailTakenError", "UserNotFoundError", "UserService"]
WELCOME = "accounts.send_welcome_email"
log = structlog.get_logger()


class UserNotFoundError(Exception):
    """There is no user with this id."""


# --8<-- [start:service]
class UserService:
    """The use cases; each is one transaction."""

    def __init__(
        self,
        users: UserRepository,
        outbox: OutboxRepository,
        cache: UserCache,
        begin: Transaction,
        turns: Turns,
    ) -> None:
        self.users, self.outbox, self.cache = users, outbox, cache
        self.begin, self.turns = begin, turns

    # --8<-- [end:service]

    # --8<-- [start:create]
    @tried_again
    async def create(self, email: str, display_name: str) -> User:
        """Store a user and the message that asks for a welcome e-mail, both or neither.

        Raises `EmailTakenError` where another user has the address.
        """
        user = User(email=email, display_name=display_name)
        async with self.turns.of(), self.begin():
            await self.users.add(user)
            message = await self.outbox.add(WELCOME, {"user_id": user.id})
            await self.announce("created", user)
        log.info("user_created", user_id=user.id, message_id=str(message.id))
        return user

    # --8<-- [end:create]

    # --8<-- [start:get]
    @tried_again
    async def get(self, user_id: int) -> User:
        """Return a user, from the cache if possible, or raise `UserNotFoundError`."""
        if cached := await self.cache.get(user_id):
            return cached
        async with self.begin():
            user = await self.users.get(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        await self.cache.put(user)
        return user

    # --8<-- [end:get]

    @tried_again
    async def page(self, after: int, limit: int) -> Sequence[User]:
        """Return up to `limit` users by id, those with an id above `after`."""
        async with self.begin():
            return await self.users.page(after, limit)

    # --8<-- [start:update]
    @tried_again
    async def update(self, user_id: int, changes: Mapping[str, str]) -> User:
        """Change the fields of a user that `changes` names, and no other.

        What stays as it is is not announced.
        Raises `UserNotFoundError`, or `EmailTakenError` where another user has the
        new address.
        """
        async with self.turns.of(user_id), self.begin():
            user = await self.users.lock(user_id)
            if user is None:
                raise UserNotFoundError(user_id)
            before = {field: getattr(user, field) for field in changes}
            for field, value in changes.items():
                setattr(user, field, value)
            await self.users.flush()
            if before != changes:
                await self.announce("changed", user)
        await self.cache.change(user)
        return user

    # --8<-- [end:update]

    async def announce(self, kind: str, user: User) -> None:
        """Tell the streams what happened to a user, once it is committed."""
        await self.users.announce(json.dumps({"kind": kind, "user_id": user.id}))
