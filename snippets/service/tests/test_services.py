"""What the use cases decide, with repositories that are stood in for.

The stand-ins have the signatures of the real ones: a method that was renamed fails.
"""

import json
from contextlib import nullcontext
from unittest.mock import create_autospec

import pytest

from accounts.models import User
from accounts.repositories.outbox_repository import OutboxRepository
from accounts.repositories.user_cache import UserCache
from accounts.repositories.user_repository import EmailTakenError, UserRepository
from accounts.services.idempotency import Once
from accounts.services.letters import WELCOME
from accounts.services.user_service import UserNotFoundError, UserService
from accounts.services.verification import confirms
from accounts.turns import Turns
from tests.fixtures.sample_data import ANN


# --8<-- [start:service]
class TestUserService:
    """The use cases of users."""

    @pytest.fixture(autouse=True)
    def stand_ins(self) -> None:
        """A service whose users, outbox and cache are stood in for."""
        self.users = create_autospec(UserRepository, instance=True)
        self.outbox = create_autospec(OutboxRepository, instance=True)
        self.cache = create_autospec(UserCache, instance=True)
        self.cache.get.return_value = None
        once = create_autospec(Once, instance=True)
        once.take.return_value = None
        turns = create_autospec(Turns, instance=True)
        self.service = UserService(
            self.users, self.outbox, self.cache, once, nullcontext, turns
        )

    async def test_get_returns_a_user_and_keeps_it(self) -> None:
        user = self.users.get.return_value = User(id=1, **ANN)

        assert await self.service.get(1) is user

        self.users.get.assert_awaited_once_with(1)
        self.cache.put.assert_awaited_once_with(user)

    # --8<-- [end:service]
    async def test_get_raises_for_an_unknown_user(self) -> None:
        self.users.get.return_value = None

        with pytest.raises(UserNotFoundError):
            await self.service.get(999)

    async def test_get_asks_the_cache_first(self) -> None:
        user = self.cache.get.return_value = User(id=1, **ANN)

        assert await self.service.get(1) is user

        self.users.get.assert_not_awaited()

    async def test_create_asks_for_a_welcome_and_announces(self) -> None:
        def give_id(user: User) -> None:
            user.id = 7

        self.users.add.side_effect = give_id

        await self.service.create(**ANN)

        kind, told = self.outbox.add.await_args.args
        (user,) = self.users.add.await_args.args
        assert (kind, told["user_id"]) == (WELCOME, 7)
        assert confirms(told["secret"], user)
        assert not user.verified
        (event,) = self.users.announce.await_args.args
        assert json.loads(event) == {"kind": "created", "user_id": 7}

    async def test_create_asks_for_nothing_when_the_address_is_taken(self) -> None:
        self.users.add.side_effect = EmailTakenError

        with pytest.raises(EmailTakenError):
            await self.service.create(**ANN)

        self.outbox.add.assert_not_awaited()
        self.users.announce.assert_not_awaited()

    async def test_update_sets_only_what_it_is_told(self) -> None:
        user = self.users.lock.return_value = User(id=1, **ANN)

        await self.service.update(1, {"display_name": "Anna"})

        assert (user.email, user.display_name) == (ANN["email"], "Anna")
        self.cache.change.assert_awaited_once_with(user)
        (event,) = self.users.announce.await_args.args
        assert json.loads(event) == {"kind": "changed", "user_id": 1}

    @pytest.mark.parametrize("changes", [{}, ANN])
    async def test_update_does_not_announce_what_did_not_change(
        self, changes: dict[str, str]
    ) -> None:
        self.users.lock.return_value = User(id=1, **ANN)

        await self.service.update(1, changes)

        self.users.announce.assert_not_awaited()
