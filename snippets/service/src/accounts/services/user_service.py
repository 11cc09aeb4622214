"""What can be done with users."""

import json
from collections.abc import Mapping, Sequence

import structlog

from accounts.models import User
from accounts.models.message import Payload
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_cache import UserCache
from accounts.repositories.user_repository import EmailTakenError, UserRepository
from accounts.services.idempotency import KeyReusedError, Once
from accounts.services.letters import CONFIRM, WELCOME
from accounts.services.transaction import Transaction, tried_again
from accounts.services.verification import confirms, digest, new_secret
from accounts.turns import Turns

__all__ = [
    "EmailTakenError",
    "KeyReusedError",
    "UserNotFoundError",
    "UserService",
    "WrongSecretError",
]
log = structlog.get_logger()


class UserNotFoundError(Exception):
    """There is no user with this id."""


class WrongSecretError(Exception):
    """The secret is not the one that was sent to the user's address."""


# --8<-- [start:service]
class UserService:
    """The use cases; each is one transaction."""

    def __init__(
        self,
        users: UserRepository,
        outbox: OutboxRepository,
        cache: UserCache,
        once: Once,
        begin: Transaction,
        turns: Turns,
    ) -> None:
        self.users, self.outbox, self.cache = users, outbox, cache
        self.once, self.begin, self.turns = once, begin, turns

    # --8<-- [end:service]

    # --8<-- [start:create]
    @tried_again
    async def create(self, email: str, display_name: str, key: str = "") -> User:
        """Store a user and the message that asks for a welcome e-mail, both or neither.

        Raises `EmailTakenError` where another user has the address. A key that comes
        again changes nothing, or raises `KeyReusedError`.
        """
        secret = new_secret()
        asked = digest(secret, email)
        user = User(email=email, display_name=display_name, verification=asked)
        async with self.turns.of(key), self.begin():
            if before := await self.once.take(key, email, display_name):
                return before
            await self.users.add(user)
            told: Payload = {"user_id": user.id, "secret": secret}
            message = await self.outbox.add(WELCOME, told)
            await self.announce("created", user)
            await self.once.keep(key, user)
        log.info("user_created", user_id=user.id, message_id=str(message.id))
        return user

    # --8<-- [end:create]

    @tried_again
    async def created(self, email: str, display_name: str, key: str) -> User | None:
        """Return whom a request with this key created, as it was then, or None.

        Raises `KeyReusedError`. Without a key, the database isn't asked.
        """
        if not key:
            return None
        async with self.begin():
            return await self.once.created(key, email, display_name)

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

        What stays as it is is not announced. A new address is asked to confirm.
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
            moved, secret = user.email != before.get("email", user.email), new_secret()
            if moved:
                user.verification = digest(secret, user.email)
            await self.users.flush()
            if moved:
                told: Payload = {"user_id": user_id, "secret": secret}
                await self.outbox.add(CONFIRM, told)
            if before != changes:
                await self.announce("changed", user)
        await self.cache.change(user)
        return user

    # --8<-- [end:update]

    # --8<-- [start:verify]
    @tried_again
    async def verify(self, user_id: int, secret: str) -> User:
        """Note that a user's address was confirmed; a second time changes nothing.

        Raises `WrongSecretError`, also where there is no such user: nobody learns
        which ids there are.
        """
        async with self.turns.of(user_id), self.begin():
            user = await self.users.lock(user_id)
            if user is None or not confirms(secret, user):
                raise WrongSecretError
            if not user.verified:
                user.verified_email = user.email
                await self.users.flush()
                await self.announce("changed", user)
        await self.cache.change(user)
        return user

    # --8<-- [end:verify]

    async def announce(self, kind: str, user: User) -> None:
        """Tell the streams what happened to a user, once it is committed."""
        await self.users.announce(json.dumps({"kind": kind, "user_id": user.id}))
