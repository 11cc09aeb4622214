"""What the page on stacks claims."""

import asyncio
import importlib
import json
import re
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from pydantic import PositiveInt, TypeAdapter, ValidationError
from sqlalchemy import Engine, orm, select
from sqlalchemy.exc import InvalidRequestError, MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts.server import beside
from tests.prove.sentences import sentences

FOLDER = "decide/stack"
ROWS = {
    row.text.partition(" | ")[0]: row.text.split(" | ")[1:]
    for row in sentences(DOCS / "decide/stack.md")
    if row.kind == "row"
}


INSTRUCTIONS = [
    "Take the library that refuses your likely mistakes before a user meets them, and stay with what your team runs already unless a run speaks against it.",
    "If you don't know, take FastAPI, SQLAlchemy, and a virtual environment in a container.",
    "Do: let the framework refuse a wrong body",
    "Install fastapi, pydantic and uvicorn.",
    "Don't: trust the body",
    "Take Flask where the app renders pages, or where you add the check by hand.",
    "Do: say what a query loads",
    'Look at lazy="raise_on_sql" and selectinload.',
    "Install sqlalchemy.",
    "Don't: let an attribute send queries",
    "Take Django's models with Django: they need its settings, and nothing else of the stack knows them.",
    "Take SQL, which SQLAlchemy sends too, for a report that no model has the shape of.",
    "Take SQLAlchemy for the rest.",
    "Install django.",
    "Take the environment alone where somebody else keeps the machine, its Python and its libraries up to date.",
    "Keep the framework that you have, and add the checks that it leaves to you.",
    'Set lazy="raise_on_sql" on one relationship after the other, and run the tests: each error names a query that nobody asked for.',
    "Count the queries of an endpoint in a test, for a few rows and for many.",
    "Copy sent into a test of your own, and compare the count for a few rows with that for many.",
]


JUDGEMENTS = [
    "We call the framework, the way to the database and the way to ship a stack.",
]


@pytest.mark.holds(
    "Where no test goes, a user meets the error in place of the query.",
    "A test that made the customer in the same session sends no query and stays green.",
)
@pytest.mark.proves(f"{FOLDER}/loaded.py")
def test_what_is_in_the_session_hides_the_error() -> None:
    loaded = importlib.import_module("snippets.decide.stack.loaded")
    assert 'lazy="raise_on_sql"' in (SNIPPETS / FOLDER / "loaded.py").read_text()
    with filled(loaded) as engine, orm.Session(engine) as session:
        found = session.scalars(select(loaded.Order)).all()
        with pytest.raises(InvalidRequestError, match="raise_on_sql"):
            _ = found[0].customer
    with filled(loaded) as engine, orm.Session(engine) as session:
        session.add(loaded.Order(customer=loaded.Customer(name="Ada")))
        session.commit()
        kept = session.scalars(select(loaded.Customer)).all()
        found = session.scalars(select(loaded.Order)).all()
        assert {order.customer for order in found} <= {*kept}
    lazily = importlib.import_module("snippets.decide.stack.lazy")
    with filled(lazily) as engine:
        assert len(lazily.names(engine)) == 10  # where the loaded one raises, this one asks


@contextmanager
def filled(snippet: ModuleType) -> Iterator[Engine]:
    """Return the engine of a snippet's database, and close its connections at the end."""
    engine = snippet.filled()
    yield engine
    engine.dispose()


def answered(app: Any, order: dict[str, Any]) -> tuple[int, Any]:
    """Return the status and the body of what an app answers to an order."""
    if hasattr(app, "test_client"):
        answer = app.test_client().post("/orders", json=order)
        return answer.status_code, answer.json

    async def ask() -> tuple[int, Any]:
        async with (
            beside(app) as server,
            aiohttp.ClientSession(server.url) as client,
            client.post("/orders", json=order) as answer,
        ):
            return answer.status, await answer.json()

    return asyncio.run(ask())


@pytest.mark.holds(
    "Choose a stack by what it refuses",
    "Stacks differ in the mistakes that they let through.",
    'Write PositiveInt where a quantity of -1 is wrong: an int takes it, as it takes "3" and true.',
    'The annotations are the check: an order of "two" is answered 422, and the handler isn\'t called.',
    'With flask the order of "two" costs twotwo, and a test with a number is green.',
    "Flask leaves the check to you.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/checked.py",
        pytest.param(
            f"{FOLDER}/unchecked.py",
            marks=pytest.mark.xfail(  # Python multiplies text too
                strict=True, raises=pytest.RaisesExc(AssertionError, match="twotwo")
            ),
        ),
    ],
    indirect=True,
)
def test_a_wrong_body_is_refused(snippet: ModuleType) -> None:
    assert answered(snippet.app, {"quantity": 2}) == (200, {"total": 4})
    if snippet.__name__.endswith(".checked"):
        totals = [
            answered(snippet.app, {"quantity": n})[1]["total"]
            for n in ("3", json.loads("true"), -1)
        ]
        assert totals == [6, 2, -2]
        strict = TypeAdapter(PositiveInt)
        with pytest.raises(ValidationError):
            strict.validate_python(-1)
    status, body = answered(snippet.app, {"quantity": "two"})
    assert status == 422, f"an order of 'two' costs {body['total']!r}"


@pytest.mark.holds(
    "An async def view doesn't change that a call of Flask holds its thread: under gunicorn's default, 1 of 40 calls waits at once.",
)
@pytest.mark.proves(f"{FOLDER}/unchecked.py")
def test_an_asynchronous_view_of_flask_holds_its_thread(tmp_path: Path) -> None:
    held = importlib.import_module("snippets.decide.servers.held")
    waits = (SNIPPETS / "decide/servers/waits.py").read_text()
    (tmp_path / "asynchronous.py").write_text(waits.replace("def price", "async def price"))
    assert "async def" in (tmp_path / "asynchronous.py").read_text()

    async def most() -> int:
        remote, options = held.Held(1), [f"--chdir={tmp_path}", "asynchronous:app"]
        async with held.serve(remote, options) as (_, client):
            await held.ask(client, 40)
        return int(remote.most)

    assert asyncio.run(most()) == 1


def queries(snippet: ModuleType, orders: int = 10) -> int:
    """Return how many queries it takes to name the customers of some orders."""
    counted = importlib.import_module("snippets.decide.stack.counted")
    with filled(snippet) as engine:
        with snippet.orm.Session(engine) as session:
            for order in session.scalars(select(snippet.Order).offset(orders)).all():
                session.delete(order)
            session.commit()
        with counted.sent(engine) as statements:
            assert len(snippet.names(engine)) == orders
    return len(statements)


@pytest.mark.holds(
    "The names are the same, and the number of queries grows with the number of orders.",
    "This code names the customers of ten orders.",
    "This is the N+1 problem: one query for the orders, and one more for the customer of each.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/loaded.py",
        pytest.param(
            f"{FOLDER}/lazy.py",
            marks=pytest.mark.xfail(  # each customer is loaded when its name is read
                strict=True, raises=pytest.RaisesExc(AssertionError, match="10 orders took 11")
            ),
        ),
    ],
    indirect=True,
)
def test_the_number_of_queries_does_not_grow(snippet: ModuleType, record_property: Any) -> None:
    orders = 10
    few, many = queries(snippet, 1), queries(snippet, orders)
    record_property("figure", {10: "ten orders"}[orders])
    assert many == few, f"1 order took {few} queries, 10 orders took {many}"


@pytest.mark.holds(
    "SQLAlchemy, Django's models and SQL, counted",
    "SQLAlchemy | 11 | 2, or 1 with a join | when the query is built | blocks; its asynchronous session refuses lazy loading",
    "Give it the sync_engine of an asynchronous engine, which itself refuses to be listened to.",
)
@pytest.mark.proves(f"{FOLDER}/counted.py")
@pytest.mark.proves(f"{FOLDER}/django_orm.py")
def test_what_sqlalchemy_sends_and_refuses(database: str) -> None:
    lazy, loaded = (
        importlib.import_module(f"snippets.{FOLDER.replace('/', '.')}.{name}")
        for name in ("lazy", "loaded")
    )
    assert [queries(lazy), queries(loaded)] == [11, 2]
    counted = importlib.import_module("snippets.decide.stack.counted")
    joined = select(loaded.Order).options(loaded.orm.joinedload(loaded.Order.customer))
    with filled(loaded) as engine:
        with counted.sent(engine) as statements, loaded.orm.Session(engine) as session:
            assert len([order.customer.name for order in session.scalars(joined)]) == 10
        assert len(statements) == 1
        with pytest.raises(KeyError), counted.sent(engine) as failed:
            raise KeyError
        assert loaded.names(engine) and not failed, "a test that fails leaves it behind"
    with pytest.raises(AttributeError, match="custmer"):
        select(lazy.Order.custmer)

    async def read() -> None:
        engine = create_async_engine(database)
        async with engine.begin() as connection:
            await connection.run_sync(lazy.Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(lazy.Order(customer=lazy.Customer(name="Ann")))
            await session.commit()
        try:
            with counted.sent(engine.sync_engine) as statements:
                async with AsyncSession(engine) as session:
                    order = (await session.scalars(select(lazy.Order))).one()
                    with pytest.raises(MissingGreenlet):
                        order.customer  # noqa: B018  reading it is the query
            assert statements[0].startswith("SELECT orders.id")
            with pytest.raises(NotImplementedError), counted.sent(engine):
                pass
        finally:
            await engine.dispose()

    asyncio.run(read())

    async def block() -> int:
        return queries(loaded)

    assert asyncio.run(block()) == 2, "nobody refuses it in a coroutine"


@pytest.mark.holds(
    "Django's models | 11 | 1 with a join, or 2 | when the query is built | refused",
)
@pytest.mark.proves(f"{FOLDER}/django_orm.py")
def test_what_django_sends_and_refuses(tmp_path: Path) -> None:
    file = SNIPPETS / FOLDER / "django_orm.py"
    told = subprocess.run(
        [sys.executable, file], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert re.findall(r"(\d+) quer", told.stdout) == ["11", "1", "2"]
    assert ROWS["Django's models"][:2] == ["11", "1 with a join, or 2"]
    assert "a wrong name: FieldError" in told.stdout
    assert "in a coroutine: SynchronousOnlyOperation" in told.stdout


@pytest.mark.holds("SQL | 1 | 1 | by the database | blocks")
@pytest.mark.proves(f"{FOLDER}/django_orm.py")
def test_what_sql_sends_and_who_refuses() -> None:
    asked = list[str]()

    async def read() -> list[tuple[str]]:
        database = sqlite3.connect(":memory:")
        database.executescript(
            "CREATE TABLE customers (id, name); CREATE TABLE orders (customer_id);"
            "INSERT INTO customers VALUES (1, 'Ann'); INSERT INTO orders VALUES (1), (1);"
        )
        database.set_trace_callback(asked.append)
        query = "SELECT name FROM orders JOIN customers ON id = customer_id"
        found = database.execute(query).fetchall()
        with pytest.raises(sqlite3.OperationalError, match="no such column: nme"):
            database.execute(query.replace("name", "nme"))
        database.close()
        return found

    assert asyncio.run(read()) == [("Ann",), ("Ann",)], "nobody refuses it in a coroutine"
    assert len(asked) == 1


@pytest.mark.holds(
    "A virtual environment and a container are no alternatives",
    "A virtual environment is a folder that runs a Python of the machine with packages of its own.",
    "The image of the service has the interpreter of its base, and a virtual environment in it, as snippets/service/Dockerfile says.",
)
def test_a_virtual_environment_takes_the_interpreter_of_the_machine(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", symlinks=True)
    code = "import ssl, sys; print(sys.prefix, sys.base_prefix, ssl.__file__, sep='\\n')"
    told = subprocess.run(
        [tmp_path / "environment/bin/python", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    prefix, base, library = told.stdout.splitlines()
    assert (prefix, base) == (str(tmp_path / "environment"), sys.base_prefix)
    assert Path(library).is_relative_to(Path(base).resolve()) or library.startswith(base)
    image = (SNIPPETS / "service/Dockerfile").read_text()
    assert "FROM ${BASE} AS build" in image
    assert "uv venv /opt/venv" in image
