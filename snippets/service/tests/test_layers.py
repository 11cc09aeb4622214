"""The way of a request through the layers, as it really goes."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Receive, Scope, Send

from tests.conftest import OPERATOR
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

LAYERS = ["middleware", "api", "services", "repositories", "database"]
STEPS = [
    "accounts.middleware.measuring.Measuring.__call__",
    "accounts.middleware.request_log.RequestLog.__call__",
    "accounts.api.dependencies.get_session",
    "accounts.api.handlers.read_user",
    "accounts.services.user_service.UserService.get",
    "accounts.repositories.user_cache.UserCache.get",
    "accounts.repositories.user_repository.UserRepository.get",
    "sql.database.SELECT users",
]


def layer(name: str) -> str:
    """Return the layer of a function of the service, or of a statement, or nothing."""
    return name.split(".")[1] if name.startswith(("accounts.", "sql.")) else ""


# --8<-- [start:recorded]
@contextmanager
def recorded(app: FastAPI) -> Iterator[list[str]]:
    """Record which functions and statements of the layers begin, in their order."""
    called: list[str] = []
    engine = app.state.resources.sessions.kw["bind"].sync_engine

    def note(frame: FrameType, event: str, _: object) -> None:
        module = str(frame.f_globals.get("__name__"))
        name = f"{module}.{frame.f_code.co_qualname}"
        if event == "call" and layer(name) in LAYERS and name not in called:
            called.append(name)

    def ask(_: object, cursor: object, statement: str, *_more: object) -> None:
        verb, table = re.findall(r"^\w+|(?<=FROM )\w+", statement)
        called.append(f"sql.database.{verb} {table}")

    event.listen(engine, "before_cursor_execute", ask)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
        event.remove(engine, "before_cursor_execute", ask)


async def test_a_request_goes_down_through_the_layers(
    app: FastAPI, client: AsyncClient
) -> None:
    user_id = await create(client, ANN)
    with recorded(app) as called:
        await client.get(f"/users/{user_id}")
    steps = [name for name in called if name in STEPS]
    assert steps == STEPS
    assert list(dict.fromkeys(map(layer, STEPS))) == LAYERS


# --8<-- [end:recorded]


# --8<-- [start:closed]
async def test_the_session_is_closed_before_the_response_is_sent(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, close = list[str](), AsyncSession.close

    async def noted(session: AsyncSession) -> None:
        await close(session)
        steps.append("closed")

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            steps.append(message["type"])
            await send(message)

        await app(scope, receive, note)

    monkeypatch.setattr(AsyncSession, "close", noted)
    async with AsyncClient(
        transport=ASGITransport(watched), headers=OPERATOR
    ) as asking:
        assert (await asking.get("http://test/users")).status_code == 200
    assert steps[:2] == ["closed", "http.response.start"]


# --8<-- [end:closed]
