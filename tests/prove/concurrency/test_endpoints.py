"""What the page on endpoints claims."""

import asyncio
import json
import re
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI
from fastapi.exceptions import FastAPIError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.warnings import PydanticDeprecatedSince20
from sqlalchemy import ForeignKey, text
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tests.engine.pages import ROOT, SNIPPETS
from tests.parts.postgres import column
from tests.parts.server import commanded, serving

FOLDER = "concurrency/endpoints"
LOCKED_OUT = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


INSTRUCTIONS = [
    "Write an async endpoint that says what it returns",
    "Write an endpoint with async def when all that it waits for can be awaited, and declare what it returns.",
    "If you don't know whether a library can be awaited, write def, and read Keep blocking calls out of the event loop.",
    "Install fastapi, pydantic, uvicorn, sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Run uvicorn users:app in the file's folder.",
    "Let a migration create the tables in production: create_all stands here so that the block runs alone.",
    "Add a test that asks for something that isn't there and expects 404.",
]


async def ask(url: str, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Return the status and the body of an answer."""
    async with (
        aiohttp.ClientSession(url) as client,
        client.request(method, path, **options) as answer,
    ):
        json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if json else answer.text())


@pytest.mark.holds(
    "A user that isn't there gets 404.",
    "This endpoint promises a user, and a lookup can find nothing.",
    "A client asks for a user that doesn't exist and gets 500, or 200 with null for a body.",
    "mypy refuses the second block above with return-value.",
    "An unknown user gets 500: FastAPI checks the value against the return type, and None doesn't fit.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/users.py",
        pytest.param(
            f"{FOLDER}/missing.py",
            marks=[
                pytest.mark.xfail(  # None is no UserRead
                    strict=True, raises=pytest.RaisesExc(AssertionError, match="it answered 500")
                ),
                pytest.mark.finding("mypy", "return-value", line=17),
            ],
        ),
    ],
    indirect=True,
)
def test_an_unknown_user_is_not_found(snippet: ModuleType, record_property: Any) -> None:
    with serving(snippet.app) as server:
        status, said = asyncio.run(ask(server.url, "GET", "/users/7"))
    record_property("figure", str(status))
    assert status == 404, f"it answered {status}"
    assert said == {"detail": "no user 7"}


@pytest.mark.holds(
    "A known user gets the right answer, so a test with a known user is green.",
    "The tests are green, because they ask for a user that exists.",
    "With the 500, the log names fastapi.exceptions.ResponseValidationError.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/missing.py"], indirect=True)
def test_a_known_user_hides_the_fault(snippet: ModuleType, record_property: Any) -> None:
    with serving(snippet.app) as server:
        answer = asyncio.run(ask(server.url, "GET", "/users/1"))
        assert answer == (200, {"id": 1, "name": "Ada"})
        status, _ = asyncio.run(ask(server.url, "GET", "/users/7"))
        assert server.stop()
        assert "fastapi.exceptions.ResponseValidationError" in server.log.read_text()
    record_property("figure", str(status))


@pytest.mark.holds(
    "A client asks for a user that doesn't exist and gets 500, or 200 with null for a body.",
    "Without a return type nothing is checked",
    "Remove the return type from the endpoint above, and an unknown user gets 200 with null for a body.",
    "In strict mode, mypy refuses an endpoint without a return type with no-untyped-def.",
)
def test_without_a_return_type_the_answer_is_empty(tmp_path: Path, record_property: Any) -> None:
    untyped = tmp_path / "untyped.py"
    source = (SNIPPETS / FOLDER / "missing.py").read_text()
    untyped.write_text(source.replace(") -> UserRead:", "):"))
    with serving(runpy.run_path(str(untyped))["app"]) as server:
        status, body = asyncio.run(ask(server.url, "GET", "/users/7"))
    assert (status, json.dumps(body)) == (200, "null")
    record_property("figure", str(status))
    told = subprocess.run(["mypy", untyped], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r"\[([a-z-]+)\]\n", told) == ["no-untyped-def"]


@pytest.mark.holds(
    "The return type is a filter: FastAPI sends only the fields that the model declares, and writes the model into the OpenAPI schema.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/missing.py"], indirect=True)
def test_the_return_type_filters_the_answer_and_is_in_the_schema(snippet: ModuleType) -> None:
    class Stored(snippet.UserRead):  # type: ignore[misc, name-defined]  # it is known at run time
        password: str = "secret"  # noqa: S105  the point is that nobody sees it

    snippet.USERS[2] = Stored(id=2, name="Bob")
    with serving(snippet.app) as server:
        assert asyncio.run(ask(server.url, "GET", "/users/2")) == (200, {"id": 2, "name": "Bob"})
        _, schema = asyncio.run(ask(server.url, "GET", "/openapi.json"))
    told = schema["paths"]["/users/{number}"]["get"]["responses"]["200"]["content"]
    assert told["application/json"]["schema"] == {"$ref": "#/components/schemas/UserRead"}


@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_each_endpoint_declares_what_it_returns(snippet: ModuleType) -> None:
    paths = snippet.app.openapi()["paths"]
    for answers in (paths["/users"]["post"], paths["/users/{number}"]["get"]):
        (told,) = [a["content"] for status, a in answers["responses"].items() if status[0] == "2"]
        assert told["application/json"]["schema"] == {"$ref": "#/components/schemas/UserRead"}


@pytest.mark.holds(
    "The database creates the number of a new user, and read_user finds the user by it.",
    "Look at the two endpoints: each gets a session of its own, and its return type is the model of what goes out.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_a_user_is_stored_and_read(snippet: ModuleType, database: str) -> None:
    with serving(snippet.app) as server:
        created = asyncio.run(ask(server.url, "POST", "/users", json={"name": "Ada"}))
        assert created == (201, {"id": 1, "name": "Ada"})
        assert asyncio.run(ask(server.url, "GET", "/users/1")) == (200, created[1])
        assert column(database, "SELECT name FROM users WHERE id = 1") == ["Ada"]
        status, refused = asyncio.run(ask(server.url, "POST", "/users", json={}))
    assert status == 422
    assert refused["detail"][0]["loc"] == ["body", "name"]


@pytest.mark.holds(
    "While one request waits for the database, the process answers others.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_a_waiting_request_holds_up_no_other(snippet: ModuleType, database: str) -> None:
    async def ask_while_locked(url: str) -> bool:
        assert (await ask(url, "GET", "/users/1"))[0] == 404
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.execute(text("LOCK TABLE users"))
            waits = asyncio.create_task(ask(url, "GET", "/users/1"))
            while not await connection.scalar(LOCKED_OUT):
                pass  # until the request waits in the database
            assert (await ask(url, "GET", "/openapi.json"))[0] == 200
            waiting = not waits.done()
        assert (await waits)[0] == 404
        await engine.dispose()
        return waiting

    with serving(snippet.app) as server:
        assert asyncio.run(ask_while_locked(server.url))


@pytest.mark.holds(
    "By default, the pool of each process gives 15 connections, and the next request waits for one.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_a_request_waits_where_all_connections_are_taken(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    async def taken() -> tuple[int, int]:
        held = [await snippet.engine.connect() for _ in range(15)]
        pool: Any = snippet.engine.pool
        waits = asyncio.create_task(snippet.engine.connect().start())
        await asyncio.sleep(0)  # it has asked, and would have been counted
        before = pool.checkedout()
        await held.pop().close()
        held.append(await waits)
        after = pool.checkedout()
        for connection in held:
            await connection.close()
        await snippet.engine.dispose()
        return before, after

    before, after = asyncio.run(taken())
    assert (before, after) == (15, 15)
    record_property("figure", f"{after} connections")


@pytest.mark.holds(
    "A number that no row can have gets 422: the limits on Number refuse it.",
    "Without the upper limit the driver raises on a larger number, and the client gets 500.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_a_number_that_no_row_can_have_is_refused(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    async def unlimited(number: int, session: AsyncSession) -> Any:
        return await snippet.read_user(number, session)

    unlimited.__annotations__["session"] = snippet.Session
    snippet.app.get("/unlimited/{number}")(unlimited)
    paths = "users/0", f"users/{2**31 - 1}", f"users/{2**31}", f"unlimited/{2**31}", "unlimited/0"
    with serving(snippet.app) as server:
        found = [asyncio.run(ask(server.url, "GET", f"/{path}"))[0] for path in paths]
        assert server.stop()
        assert "asyncpg.exceptions.DataError: invalid input" in server.log.read_text()
    assert found == [422, 404, 422, 500, 404]
    for status in found:
        record_property("figure", str(status))


@pytest.mark.holds(
    'FastAPI refuses a class of SQLAlchemy as a return type when the app is built: "Invalid args for response field".',
    "Name another model with response_model, and FastAPI takes it.",
    "FastAPI refuses a parameter of type AsyncSession without Depends when the app is built.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_what_fastapi_refuses_when_the_app_is_built(snippet: ModuleType) -> None:
    def returns_a_table() -> Any: ...

    returns_a_table.__annotations__["return"] = snippet.User
    with pytest.raises(FastAPIError, match="Invalid args for response field"):
        FastAPI().get("/")(returns_a_table)
    FastAPI().get("/", response_model=snippet.UserRead)(returns_a_table)

    def takes_a_session(session: AsyncSession) -> None: ...

    with pytest.raises(FastAPIError, match="Invalid args for response field"):
        FastAPI().get("/")(takes_a_session)


@pytest.mark.holds(
    "Pydantic deprecates dict in favour of model_dump.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_the_old_name_of_model_dump_is_deprecated(snippet: ModuleType) -> None:
    with pytest.warns(PydanticDeprecatedSince20, match="use `model_dump` instead"):
        snippet.UserCreate(name="Ada").dict()


@pytest.mark.holds(
    "After a commit, SQLAlchemy loads an attribute again at the next access.",
    "A plain access can't await, so it raises sqlalchemy.exc.MissingGreenlet.",
    "expire_on_commit=False keeps the values after a commit.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_without_expire_on_commit_a_read_after_it_fails(snippet: ModuleType, database: str) -> None:
    async def number_after_commit(**options: Any) -> int:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.run_sync(snippet.Base.metadata.create_all)
        try:
            async with async_sessionmaker(engine, **options)() as session:
                user = snippet.User(name="Ada")
                session.add(user)
                await session.commit()
                return int(user.id)
        finally:
            await engine.dispose()

    assert asyncio.run(number_after_commit(expire_on_commit=False)) == 1
    with pytest.raises(MissingGreenlet):
        asyncio.run(number_after_commit())


@pytest.mark.holds(
    "An instance of the model that was changed after it was made goes out unchecked, and a JSONResponse goes out as it is.",
    "It doesn't check everything.",
)
def test_what_the_return_type_does_not_check() -> None:
    class UserRead(BaseModel):
        id: int = Field(ge=1)

    app = FastAPI()

    @app.get("/changed")
    async def changed() -> UserRead:
        user = UserRead(id=1)
        user.id = -1
        return user

    @app.get("/response", response_model=UserRead)
    async def response() -> JSONResponse:
        return JSONResponse({"id": 1, "secret": "hidden"})

    with serving(app) as server:
        assert asyncio.run(ask(server.url, "GET", "/changed")) == (200, {"id": -1})
        sent = asyncio.run(ask(server.url, "GET", "/response"))
        assert sent == (200, {"id": 1, "secret": "hidden"})


@pytest.mark.holds(
    "It doesn't help after a rollback, nor with a relationship that wasn't loaded.",
)
def test_what_expire_on_commit_does_not_keep(database: str) -> None:
    class Base(DeclarativeBase):
        pass

    class Team(Base):
        __tablename__ = "teams"
        id: Mapped[int] = mapped_column(primary_key=True)
        members: Mapped[list["Member"]] = relationship()

    class Member(Base):
        __tablename__ = "members"
        id: Mapped[int] = mapped_column(primary_key=True)
        team_id: Mapped[int] = mapped_column(ForeignKey(Team.id))

    async def read(name: str, *, rolled_back: bool) -> None:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            async with async_sessionmaker(engine, expire_on_commit=False)() as session:
                session.add(Team(id=1))
                await session.commit()
            async with async_sessionmaker(engine, expire_on_commit=False)() as session:
                team = await session.get_one(Team, 1)
                if rolled_back:
                    await session.rollback()
                getattr(team, name)
        finally:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.drop_all)
            await engine.dispose()

    asyncio.run(read("id", rolled_back=False))
    with pytest.raises(MissingGreenlet):
        asyncio.run(read("id", rolled_back=True))
    with pytest.raises(MissingGreenlet):
        asyncio.run(read("members", rolled_back=False))


def test_uvicorn_serves_it_by_name(database: str) -> None:
    with commanded(SNIPPETS / FOLDER, "users:app") as (url, server):
        assert asyncio.run(ask(url, "GET", "/users/1"))[0] == 404
        server.terminate()
        assert server.stdout is not None
        assert "Application shutdown complete." in server.stdout.read()


@pytest.mark.holds(
    "A handler of the service returns its model, and its dependency users brings the request's session:",
)
@pytest.mark.service("tests/test_handlers.py::test_a_created_user_can_be_read")
@pytest.mark.proves("service/src/accounts/api/handlers.py")
def test_a_handler_of_the_service_answers_with_its_model(service: Callable[[], None]) -> None:
    service()
