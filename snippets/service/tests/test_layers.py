"""The way of a request through the layers, as it really goes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from httpx2 import AsyncClient

from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

LAYERS = ["middleware", "api", "services", "repositories"]
STEPS = [
    "accounts.middleware.measuring.Measuring.__call__",
    "accounts.middleware.request_log.RequestLog.__call__",
    "accounts.api.dependencies.get_session",
    "accounts.api.handlers.read_user",
    "accounts.services.user_service.UserService.get",
    "accounts.repositories.user_cache.UserCache.get",
    "accounts.repositories.user_repository.UserRepository.get",
]


def layer(name: str) -> str:
    """Return the layer of a function of the service, or nothing."""
    return name.split(".")[1] if name.startswith("accounts.") else ""


# --8<-- [start:recorded]
@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record which functions of the layers begin, in their order."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        module = str(frame.f_globals.get("__name__"))
        name = f"{module}.{frame.f_code.co_qualname}"
        if event == "call" and layer(name) in LAYERS and name not in called:
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
    steps = [name for name in called if name in STEPS]
    assert steps == STEPS
    assert list(dict.fromkeys(map(layer, STEPS))) == LAYERS


# --8<-- [end:recorded]
