"""The way of a request through the layers, as it really goes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from httpx2 import AsyncClient

from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

LAYERS = ["middleware", "api", "services", "repositories"]


# --8<-- [start:recorded]
@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record which functions of the service begin, in their order."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        module = str(frame.f_globals.get("__name__"))
        name = f"{module}.{frame.f_code.co_qualname}"
        if event == "call" and module.startswith("accounts.") and name not in called:
            called.append(name)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


async def test_a_request_goes_down_through_the_layers(client: AsyncClient) -> None:
    user_id = await create(client, ANN)
    with recorded() as called:
        await client.get(f"/users/{user_id}")
    layers = [name.split(".")[1] for name in called]
    assert sorted(LAYERS, key=layers.index) == LAYERS
    handled = called.index("accounts.api.handlers.read_user")
    assert set(layers[:handled]) <= {"middleware", "api", "services", "repositories"}
    assert "accounts.services.user_service.UserService.get" in called[handled:]
    assert (
        called.index("accounts.repositories.user_repository.UserRepository.get")
        > handled
    )


# --8<-- [end:recorded]
