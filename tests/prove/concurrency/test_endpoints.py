"""What the page on endpoints claims."""

import asyncio
import contextlib
import json
import re
import runpy
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

import aiohttp
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.exceptions import FastAPIError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from pydantic.warnings import PydanticDeprecatedSince20
from sqlalchemy import ForeignKey, select, text
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tests.engine.pages import ROOT, SNIPPETS
from tests.parts.postgres import column
from tests.parts.server import asked, beside, commanded, serving

FOLDER = "concurrency/endpoints"
LOCKED_OUT = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


INSTRUCTIONS = [
    "Write an async endpoint that says what it returns",
    "Declare what an endpoint returns, and raise HTTPException for what isn't there.",
    "Write the endpoint with async def if all that it waits for can be awaited.",
    "If you don't know whether a library can be awaited, write def, and read Keep blocking calls out of the event loop.",
    "Install fastapi, pydantic and uvicorn, run uvicorn first:app in the file's folder, and open http://127.0.0.1:8000/users/1 in a browser.",
    "Don't: return nothing for what isn't there",
    "Don't leave the return type out",
    "Do: read the user from a database",
    "Install fastapi, pydantic, uvicorn, sqlalchemy[asyncio] and asyncpg.",
    "Run make parts in a copy of this playbook's repository: the command starts a PostgreSQL server and prints a line that sets DATABASE_URL.",
    "Put that line into a second terminal, and run uvicorn users:app there, in the file's folder.",
    "Let a migration create the tables in production: create_all stands in the folded lines so that the block runs alone.",
    "Commit before the endpoint returns",
    "Don't share that session between tasks: Give each task its own session.",
    "Give each endpoint a return type: a Pydantic model of what goes out, not the class of the table.",
    "Raise HTTPException where a lookup finds nothing.",
    "Open the engine and the async_sessionmaker once for the process, and close the engine at the end of the lifespan.",
    "Give endpoints their session through a dependency, as Session does above.",
    "Limit each number in a path to what its column can hold.",
    "See such an endpoint in a whole service",
    "Add a test that asks for something that isn't there and expects 404.",
]


JUDGEMENTS = [
    "We call the object through which a request speaks to the database a session.",
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
    "Look at the last lines: -> UserRead says what the endpoint returns, and a user that isn't there gets 404.",
    'GET /users/1 | 200 | {"id":1,"name":"Ada"} | The endpoint returned a user.',
    'GET /users/7 | 404 | {"detail":"no user 7"} | The endpoint raised HTTPException.',
    "GET /users/x | 422 | an error that names number | FastAPI didn't call the endpoint, because x is no int.",
    "The app answers so:",
    'FastAPI finds the endpoint by the method and the path: @app.get("/users/{number}") takes GET /users/1.',
    "FastAPI takes number from the path and checks it against the annotation int.",
    "If it doesn't fit, the client gets 422.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/first.py"], indirect=True)
def test_the_smallest_endpoint_answers_three_requests(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    class Users(dict[int, Any]):
        def __contains__(self, number: object) -> bool:
            looked.append(number)
            return super().__contains__(number)

    monkeypatch.setattr(snippet, "USERS", Users(snippet.USERS))

    async def answers() -> list[tuple[int, str]]:
        async with beside(snippet.app) as server, aiohttp.ClientSession(server.url) as client:
            found = []
            for request in "GET /users/1", "GET /users/7", "GET /users/x", "POST /users/1":
                async with client.request(*request.split()) as answer:
                    found.append((answer.status, await answer.text()))
            return found

    known, unknown, refused, other_method = asyncio.run(answers())
    assert known == (200, '{"id":1,"name":"Ada"}')
    assert unknown == (404, '{"detail":"no user 7"}')
    assert refused[0] == 422
    assert json.loads(refused[1])["detail"][0]["loc"] == ["path", "number"]
    assert looked == [1, 7], "the endpoint was called for x too"
    assert other_method[0] == 405
    paths = snippet.app.openapi()["paths"]
    assert list(paths["/users/{number}"]) == ["get"]
    source = (SNIPPETS / FOLDER / "first.py").read_text().splitlines()
    assert "-> UserRead" in source[-5]
    assert '@app.get("/users/{number}")' in source


@pytest.mark.proves(f"{FOLDER}/first.py")
def test_uvicorn_serves_the_smallest_app_by_name() -> None:
    with commanded(SNIPPETS / FOLDER, "first:app") as (url, _):
        assert asyncio.run(ask(url, "GET", "/users/1")) == (200, {"id": 1, "name": "Ada"})
    assert uvicorn.Config("first:app").port == urlsplit("http://127.0.0.1:8000/users/1").port
    assert uvicorn.Config("first:app").host == "127.0.0.1"


@pytest.mark.holds(
    "This endpoint promises a user, but its lookup can find nothing.",
    "A client asks for a user that doesn't exist and gets 500, or 200 with null for a body.",
    "mypy refuses missing.py with return-value.",
    "An unknown user gets 500: USERS.get returns None, and None doesn't fit the return type.",
    "FastAPI checks what the endpoint returns against the return type, and sends it as JSON.",
    "If it doesn't fit, the client gets 500.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/first.py",
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
    "ResponseValidationError | The endpoint returned what the return type doesn't allow, such as None. | Raise HTTPException for what isn't there.",
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
    "Remove -> UserRead from the endpoint above, and an unknown user gets 200 with null for a body.",
    "FastAPI checks the value only if the endpoint has a return type, or its decorator a response_model.",
    "In strict mode, mypy refuses an endpoint without a return type with no-untyped-def.",
)
def test_without_a_return_type_the_answer_is_empty(tmp_path: Path, record_property: Any) -> None:
    untyped, named = tmp_path / "untyped.py", tmp_path / "named.py"
    source = (SNIPPETS / FOLDER / "missing.py").read_text()
    untyped.write_text(source.replace(" -> UserRead:", ":"))
    named.write_text(untyped.read_text().replace('}")', '}", response_model=UserRead)'))
    statuses = []
    for file in untyped, named:
        with serving(runpy.run_path(str(file))["app"]) as server:
            statuses.append(asyncio.run(ask(server.url, "GET", "/users/7")))
    status, body = statuses[0]
    assert (status, json.dumps(body)) == (200, "null")
    assert statuses[1][0] == 500, "response_model checks nothing"
    record_property("figure", str(status))
    told = subprocess.run(["mypy", untyped], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r"\[([a-z-]+)\]\n", told) == ["no-untyped-def"]


@pytest.mark.holds(
    "FastAPI runs an async def endpoint in the event loop, and a def endpoint in a thread.",
)
def test_where_an_endpoint_runs() -> None:
    app = FastAPI()

    @app.get("/async")
    async def in_the_loop() -> int:
        return threading.get_ident()

    @app.get("/def")
    def in_a_thread() -> int:
        return threading.get_ident()

    async def threads() -> list[int]:
        async with beside(app) as server:
            return [(await ask(server.url, "GET", path))[1] for path in ("/async", "/def")]

    in_loop, elsewhere = asyncio.run(threads())
    assert in_loop == threading.get_ident()
    assert elsewhere != threading.get_ident()


@pytest.mark.holds(
    "The return type is a filter too: FastAPI sends only the fields that the model declares, so a stored password stays inside.",
    "FastAPI also writes the model into the OpenAPI schema.",
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
    "create_user stores a user with add and commit, and the database gives the user a number.",
    "read_user finds the user by that number.",
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
    "While an async def endpoint awaits an answer, the process answers other requests.",
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
    "QueuePool limit of size 5 overflow 10 reached | All 15 connections that a pool gives by default were in use for 30 seconds. | End transactions sooner, or let fewer requests in at once.",
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

    async def refused() -> None:
        engine = create_async_engine(database, pool_timeout=0.01)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            for _ in range(16):
                await stack.enter_async_context(engine.connect())

    before, after = asyncio.run(taken())
    assert (before, after) == (15, 15)
    assert snippet.engine.pool.timeout() == 30
    record_property("figure", f"{after} connections")
    with pytest.raises(PoolTimeoutError, match="QueuePool limit of size 5 overflow 10 reached"):
        asyncio.run(refused())


class Watched(AsyncSession):
    """A session that notes when it is closed."""

    closed: ClassVar[list[str]] = []

    async def close(self) -> None:
        """Note it, and close."""
        self.closed.append("closed")
        await super().close()


@pytest.mark.holds(
    "By default, FastAPI runs what follows yield in a dependency after it has sent what the endpoint returned.",
    "If the endpoint raises HTTPException, the exception comes out of the yield: a with block around it ends before the response, and a plain line below the yield doesn't run.",
    "A commit that fails there comes too late: the client has its 200 already.",
    "With the scope function in Depends, what follows yield runs before the response.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_what_follows_yield_runs_after_the_response(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    monkeypatch.setattr(Watched, "closed", events)
    monkeypatch.setattr(snippet, "sessions", async_sessionmaker(snippet.engine, class_=Watched))

    def answering(scope: Any) -> Callable[..., Any]:
        async def answer(session: AsyncSession) -> None: ...

        needed = Depends(snippet.get_session, scope=scope)
        answer.__annotations__["session"] = Annotated[AsyncSession, needed]
        return answer

    async def plain() -> AsyncIterator[None]:
        yield
        events.append("a plain line")

    async def raising(_: Annotated[None, Depends(plain)]) -> None:
        raise HTTPException(404)

    snippet.app.get("/raising")(raising)
    snippet.app.get("/later")(answering(None))
    snippet.app.get("/sooner")(answering("function"))

    async def send(message: Any) -> None:
        events.append(f"{message['type']} {message.get('status', '')}".strip())

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def request(path: str) -> None:
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        async with snippet.lifespan(snippet.app):
            await snippet.app(scope, receive, send)

    sent = ["http.response.start 200", "http.response.body"]
    orders = {
        "/later": [*sent, "closed"],
        "/sooner": ["closed", *sent],
        "/users/7": ["closed", "http.response.start 404", "http.response.body"],
        "/raising": ["http.response.start 404", "http.response.body"],
    }
    for path, order in orders.items():
        events.clear()
        asyncio.run(request(path))
        assert events == order, path


@pytest.mark.holds(
    "In the folded lines, engine holds the connections to the database, sessions makes sessions on it, and User is the table.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_what_the_folded_lines_open(snippet: ModuleType, database: str) -> None:
    async def made() -> None:
        async with snippet.lifespan(snippet.app), snippet.sessions() as session:
            assert session.bind is snippet.engine
            assert (await session.scalars(select(snippet.User))).all() == []

    asyncio.run(made())
    assert snippet.engine.url.render_as_string(hide_password=False) == database
    assert snippet.User.__table__.name == "users"


@pytest.mark.holds(
    "Look at get_session, which is such a dependency: each request gets a session of its own, and at the end the session is closed.",
    "FastAPI calls a dependency once for a request, also when two others ask for it.",
    "So they share the session, unless Depends has use_cache=False.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_each_request_has_a_session(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[AsyncSession]] = []
    monkeypatch.setattr(Watched, "closed", [])
    monkeypatch.setattr(snippet, "sessions", async_sessionmaker(snippet.engine, class_=Watched))

    async def one(session: AsyncSession) -> AsyncSession:
        return session

    async def two(session: AsyncSession) -> AsyncSession:
        return session

    for function in one, two:
        function.__annotations__["session"] = snippet.Session

    async def sessions(first: object, second: object, other: object) -> None:
        assert all(isinstance(each, AsyncSession) for each in (first, second, other))
        given.append([first, second, other])  # type: ignore[list-item]  # the line above tells it

    uncached = Depends(snippet.get_session, use_cache=False)
    asks = {"first": Depends(one), "second": Depends(two), "other": uncached}
    for name, each in asks.items():
        sessions.__annotations__[name] = Annotated[AsyncSession, each]
    snippet.app.get("/sessions")(sessions)

    async def requests() -> None:
        async with beside(snippet.app) as server:
            for _ in range(2):
                assert (await ask(server.url, "GET", "/sessions"))[0] == 200

    asyncio.run(requests())
    for first, second, other in given:
        assert first is second
        assert first is not other
    assert given[0][0] is not given[1][0]
    assert len(Watched.closed) == 4


@pytest.mark.holds(
    "DataError | The number in the path is larger than the column can hold. | Limit it, as Number does below: the client gets 422, not 500.",
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
    "Invalid args for response field | The return type is a class of SQLAlchemy, or a parameter of type AsyncSession has no Depends. | Return a Pydantic model, or name one with response_model; declare the parameter as Session below.",
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
    takes_a_session.__annotations__["session"] = snippet.Session
    FastAPI().get("/")(takes_a_session)


@pytest.mark.holds(
    "Pydantic deprecates dict in favour of model_dump.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_the_old_name_of_model_dump_is_deprecated(snippet: ModuleType) -> None:
    with pytest.warns(PydanticDeprecatedSince20, match="use `model_dump` instead"):
        snippet.UserCreate(name="Ada").dict()


@pytest.mark.holds(
    "MissingGreenlet | The code read an attribute that SQLAlchemy has to load, and a plain read can't await. | Set expire_on_commit=False, which keeps the values after a commit.",
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
    "FastAPI sends unchecked an instance of the model that was changed after it was made, and each Response that you return yourself, such as a JSONResponse.",
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

    @app.get("/plain", response_model=UserRead)
    async def plain() -> Response:
        return Response('{"secret": "hidden"}', media_type="application/json")

    with serving(app) as server:
        assert asyncio.run(ask(server.url, "GET", "/changed")) == (200, {"id": -1})
        assert asyncio.run(ask(server.url, "GET", "/plain")) == (200, {"secret": "hidden"})
        sent = asyncio.run(ask(server.url, "GET", "/response"))
        assert sent == (200, {"id": 1, "secret": "hidden"})


@pytest.mark.holds(
    "expire_on_commit=False doesn't help after a rollback, nor with a relationship that wasn't loaded.",
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


@pytest.mark.holds(
    "The browser fetches that page's script from another host, so without a network the page stays empty.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/users.py"], indirect=True)
def test_the_page_that_sends_requests_needs_a_network(snippet: ModuleType, database: str) -> None:
    ((status, _, page),) = asked(snippet.app, "GET /docs")
    assert status == 200
    assert [urlsplit(source).scheme for source in re.findall(r'<script src="(.*?)"', page)] == [
        "https"
    ]
    shown = page.partition("<body>")[2]
    for hidden in r"<script.*?</script>", r"<!--.*?-->", r"<[^>]*>":
        shown = re.sub(hidden, "", shown, flags=re.DOTALL)
    assert not shown.strip(), "it has content of its own"


def test_uvicorn_serves_it_by_name(database: str) -> None:
    with commanded(SNIPPETS / FOLDER, "users:app") as (url, server):
        assert asyncio.run(ask(url, "GET", "/users/1"))[0] == 404
        server.terminate()
        assert server.stdout is not None
        assert "Application shutdown complete." in server.stdout.read()


@pytest.mark.holds(
    "This playbook has a service to copy from, and handlers.py is the file with its endpoints.",
    "The endpoint that reads a user has the same form: a path, a dependency that brings the users, and a return type.",
)
@pytest.mark.service(
    "tests/test_handlers.py::test_a_created_user_can_be_read",
    "tests/test_handlers.py::test_an_unknown_user_is_not_found",
)
@pytest.mark.proves("service/src/accounts/api/handlers.py")
def test_a_handler_of_the_service_answers_with_its_model(service: Callable[[], None]) -> None:
    service()
