"""What the page on queries claims."""

import asyncio
import importlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import event, orm, select, text
from sqlalchemy.exc import InvalidRequestError, MissingGreenlet
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
)

from tests.engine.pages import DOCS, SNIPPETS
from tests.parts import rules, tables
from tests.prove.sentences import sentences

FOLDER = "database/queries"
MANY = 30
ROWS = {
    row.text.split(" | ")[0]: row.text.split(" | ")[1]
    for row in sentences(DOCS / f"{FOLDER}.md")
    if row.kind == "row"
}


INSTRUCTIONS = [
    "Write queries whose cost a test can see",
    "Write each query with select, say in it which related rows it loads, and count its statements in a test.",
    "If you don't know how to load a list of related rows, use selectinload.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't copy a query of an older guide",
    "Do: load related rows with the query",
    'Look at selectinload, and at lazy="raise", which refuses to load lines that no query asked for.',
    "Don't await the lines of each invoice",
    "Use joinedload for one related row, such as the customer of an invoice: a joined list repeats the columns of the invoice in each row.",
    "Do: index what the query compares",
    "Build the index of a table that is in use as Do: build an index while others write shows.",
    "Don't trust the name of an index",
    "Write a query in a repository, never in an endpoint.",
    'Set lazy="raise" on each relationship, and run the tests.',
    "Use selectinload for what the answer shows, in the query of that endpoint.",
    "Give each list a limit.",
    "Hold the plan of each query that runs often in a test.",
    "Count the statements of an endpoint for a few rows and for many: Choose a stack by what it refuses has a counter to copy.",
    "Copy read_whole for the plan, and fail the test if it names a table that grows.",
]


@asynccontextmanager
async def filled(
    snippet: ModuleType, database: str, *rows: object
) -> AsyncIterator[tuple[AsyncEngine, AsyncSession]]:
    """Give an engine and a session whose database has a snippet's tables with some rows."""
    tabled = tables.filled(snippet, database, *rows)
    async with tabled as engine, async_sessionmaker(engine)() as session:
        yield engine, session


def invoices(snippet: ModuleType, number: int) -> list[object]:
    """Return some invoices with two lines each."""
    return [
        snippet.Invoice(lines=[snippet.Line(cents=1), snippet.Line(cents=n)]) for n in range(number)
    ]


def noted(engine: AsyncEngine) -> tuple[list[str], list[int]]:
    """Return the lists to which an engine adds its statements, and the rows of each answer."""
    statements, rows = list[str](), list[int]()

    def note(_: object, cursor: Any, statement: str, *__: object) -> None:
        statements.append(statement)
        rows.append(cursor.rowcount)

    event.listen(engine.sync_engine, "after_cursor_execute", note)
    return statements, rows


LEGACY = pytest.param(
    f"{FOLDER}/legacy.py",
    marks=[
        pytest.mark.xfail(  # the asynchronous session has no such method
            strict=True,
            raises=pytest.RaisesExc(AttributeError, match="no attribute 'query'"),
        ),
        pytest.mark.finding("mypy", "attr-defined", line=35),
    ],
)


@pytest.mark.holds(
    "Build the query, then hand it to the session: await stands where the database is asked.",
    "Guides from before SQLAlchemy 2 begin with session.query, which an AsyncSession doesn't have.",
    "mypy reports the line with attr-defined before anything runs.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/selected.py", LEGACY], indirect=True)
def test_the_unpaid_are_listed(snippet: ModuleType, database: str) -> None:
    rows = [snippet.Invoice(id=n, customer="Ann", paid=n == 2) for n in (3, 2, 1)]

    async def ask() -> list[int]:
        async with filled(snippet, database, *rows) as (engine, session):
            statements, _ = noted(engine)
            select(snippet.Invoice)
            assert statements == []
            found = [each.id for each in await snippet.unpaid(session)]
            assert len(statements) == 1
            return found

    assert asyncio.run(ask()) == [1, 3]


async def cost(snippet: ModuleType, database: str, number: int) -> tuple[int, int]:
    """Return how many statements the totals of some invoices take, and how many rows are sent."""
    async with filled(snippet, database, *invoices(snippet, number)) as (engine, session):
        statements, rows = noted(engine)
        assert await snippet.totals(session) == [1 + n for n in range(number)]
        return len(statements), sum(rows)


@pytest.mark.holds(
    "Each invoice has lines.",
    "Three invoices and thirty take 2 statements each.",
    "awaitable_attrs awaits the lines instead, and asks the database once for each invoice.",
    "This is called N+1: 1 statement for the list, and one more for each of its N rows.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/loaded.py",
        pytest.param(
            f"{FOLDER}/awaited.py",
            marks=pytest.mark.xfail(  # it asks for the lines of one invoice at a time
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="30 invoices took 31 statements"),
            ),
        ),
    ],
    indirect=True,
)
def test_the_number_of_statements_does_not_grow(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    took, words = dict[int, int](), {3: "Three", MANY: "thirty"}
    for number, word in words.items():
        took[number], _ = asyncio.run(cost(snippet, database, number))
        record_property("figure", word)
    assert took[MANY] == 2, f"{MANY} invoices took {took[MANY]} statements"
    assert took[3] == 2


@pytest.mark.holds(
    "The totals are right, so a test that looks at the totals is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/awaited.py"], indirect=True)
def test_the_totals_are_right(snippet: ModuleType, database: str) -> None:
    assert asyncio.run(cost(snippet, database, 3)) == (1 + 3, 3 + 6)


def joined(snippet: ModuleType, database: str) -> tuple[int, int]:
    """Return what a join costs."""

    async def ask() -> tuple[int, int]:
        async with filled(snippet, database, *invoices(snippet, MANY)) as (engine, session):
            statements, rows = noted(engine)
            query = select(snippet.Invoice).options(orm.joinedload(snippet.Invoice.lines))
            found = (await session.scalars(query)).unique().all()
            assert [len(each.lines) for each in found] == [2] * MANY
            return len(statements), sum(rows)

    return asyncio.run(ask())


@pytest.mark.holds(
    "Ways to load, counted",
    "For 30 invoices with 2 lines each:",
    "awaitable_attrs for each invoice | 31",
    "selectinload | 2",
    "joinedload | 1",
)
def test_what_each_way_costs(database: str, record_property: Any) -> None:
    loaded, awaited = (
        importlib.import_module(f"snippets.database.queries.{name}")
        for name in ("loaded", "awaited")
    )
    counted = {
        "awaitable_attrs for each invoice": asyncio.run(cost(awaited, database, MANY)),
        "selectinload": asyncio.run(cost(loaded, database, MANY)),
        "joinedload": joined(loaded, database),
    }
    assert {name: str(statements) for name, (statements, _) in counted.items()} == ROWS
    for statements, _ in counted.values():
        record_property("figure", str(statements))
    assert counted["joinedload"][1] < counted["selectinload"][1]  # rows: an invoice in each


@pytest.mark.holds(
    'Use lazy="raise" on the relationship, and each place that forgot to load raises InvalidRequestError.',
    "Call unique() on the result of a joinedload of a list, because SQLAlchemy raises InvalidRequestError without it.",
    "Don't put limit on a query that you joined by hand: it counts lines, not invoices.",
)
def test_what_is_refused_and_what_is_cut(database: str) -> None:
    loaded = importlib.import_module("snippets.database.queries.loaded")
    invoice, lines = loaded.Invoice, loaded.Invoice.lines

    async def ask() -> list[int]:
        async with filled(loaded, database, *invoices(loaded, 2)) as (_, session):
            plain = (await session.scalars(select(invoice))).all()[0]
            with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                assert plain.lines
            twice = await session.scalars(select(invoice).options(orm.joinedload(lines)))
            with pytest.raises(InvalidRequestError, match=r"unique\(\)"):
                twice.all()
            session.expunge_all()
            by_hand = select(invoice).join(lines).options(orm.contains_eager(lines))
            found = (await session.scalars(by_hand.order_by(invoice.id).limit(2))).unique()
            return [len(each.lines) for each in found]

    assert asyncio.run(ask()) == [2]  # one invoice, where two were asked for


UNINDEXED = pytest.param(
    f"{FOLDER}/unindexed.py",
    marks=pytest.mark.xfail(  # the index knows the column, not the function of it
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match=r"it reads \['users'\] from end to end"),
    ),
)


@pytest.mark.holds(
    "A query that compares a function of a column needs an index of that function.",
    "Here the column has an index, and the query doesn't compare the column but a function of it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/indexed.py", UNINDEXED], indirect=True)
def test_the_plan_uses_the_index(snippet: ModuleType, database: str) -> None:
    async def plan() -> list[str]:
        async with filled(snippet, database) as (_, session):
            return list(await snippet.read_whole(session, snippet.by_email("Ann@example.org")))

    whole = asyncio.run(plan())
    assert whole == [], f"it reads {whole} from end to end"


@pytest.mark.holds(
    "read_whole asks PostgreSQL for its plan with EXPLAIN, and runs nothing.",
    "A small table is always read whole, so the test forbids that with enable_seqscan = off: a plan that still does so has no other way.",
    "read_whole names a list too that only its limit ends, such as a first page: give it the query of the next page.",
    "A plan that names no table tells that an index can be used, not that production uses it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/indexed.py"], indirect=True)
def test_a_plan_runs_nothing(snippet: ModuleType, database: str) -> None:
    async def plans() -> tuple[str, list[list[str]]]:
        user = snippet.User(id=1, email="ann@example.org")
        async with filled(snippet, database, user) as (engine, session):
            async with engine.connect() as usual:
                await usual.execute(text(f"ANALYZE {snippet.SCHEMA}.users"))
                asked = f"EXPLAIN (FORMAT JSON) SELECT * FROM {snippet.SCHEMA}.users"  # noqa: S608  known
                asked += " WHERE lower(email) = 'ann'"
                small = json.dumps((await usual.execute(text(asked))).scalar_one())
            ordered = select(snippet.User).where(snippet.User.email == "a")
            by_key = ordered.order_by(snippet.User.id)
            first = select(snippet.User).order_by(snippet.User.id).limit(1)
            divided = select(snippet.User).where(snippet.User.id == 1, text("1 / (id - 1) = 0"))
            return small, [
                await snippet.read_whole(session, by_key),
                await snippet.read_whole(session, first),
                await snippet.read_whole(session, first.where(snippet.User.id > 1)),
                await snippet.read_whole(session, divided),
                await snippet.read_whole(session, snippet.by_email("ann")),
            ]

    small, (by_key, first, later, divided, forced) = asyncio.run(plans())
    assert "Seq Scan" in small
    assert forced == []  # the same query: it has an index, and usually doesn't take it here
    assert by_key == ["users"]  # an index that gives the order reads all of it too
    assert (first, later) == (["users"], [])
    assert divided == []  # it would divide by zero if it ran


@pytest.mark.holds(
    "Give read_whole a session of its own, because its setting lasts until the transaction ends.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/indexed.py"], indirect=True)
def test_the_setting_lasts_until_the_transaction_ends(snippet: ModuleType, database: str) -> None:
    async def settings() -> list[str]:
        found, setting = list[str](), text("SHOW enable_seqscan")
        async with filled(snippet, database) as (_, session):
            await snippet.read_whole(session, snippet.by_email("ann@example.org"))
            found.append(str(await session.scalar(setting)))
            await session.rollback()
            found.append(str(await session.scalar(setting)))
        return found

    assert asyncio.run(settings()) == ["off", "on"]


@pytest.mark.holds(
    "The answer is right, and the time grows with the number of users.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/unindexed.py"], indirect=True)
def test_without_its_index_each_user_is_looked_at(snippet: ModuleType, database: str) -> None:
    async def looked_at(number: int) -> int:
        async with filled(snippet, database) as (_, session):
            connection = await session.connection()
            rows = f"SELECT n, 'user' || n FROM generate_series(1, {number}) n"  # noqa: S608  known
            await connection.execute(text(f"INSERT INTO {snippet.SCHEMA}.users {rows}"))
            query = snippet.by_email("USER1")
            (user,) = await session.scalars(query)
            assert user.id == 1
            sql = query.compile(dialect=connection.dialect, compile_kwargs=snippet.LITERAL)
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
            (told,) = (await connection.exec_driver_sql(explain)).scalar_one()
            plan = told["Plan"]
            assert plan["Node Type"] == "Seq Scan"
            return int(plan["Rows Removed by Filter"]) + int(plan["Actual Rows"])

    assert [asyncio.run(looked_at(number)) for number in (10, 50)] == [10, 50]


@pytest.mark.holds(
    'Or a request ends with "greenlet_spawn has not been called", because an attribute asked the database.',
    "A relationship is an attribute, and reading an attribute can't wait for the event loop.",
    "So SQLAlchemy raises MissingGreenlet where a synchronous session sends a query without a word.",
)
def test_an_attribute_cannot_wait(database: str) -> None:
    awaited = importlib.import_module("snippets.database.queries.awaited")

    async def ask() -> int:
        async with filled(awaited, database, *invoices(awaited, 1)) as (engine, session):
            (invoice,) = await session.scalars(select(awaited.Invoice))
            with pytest.raises(MissingGreenlet, match="greenlet_spawn has not been called"):
                assert invoice.lines
            await session.rollback()
            statements, _ = noted(engine)

            def read(synchronous: orm.Session) -> int:
                return len(synchronous.scalars(select(awaited.Invoice)).one().lines)

            assert await session.run_sync(read) == 2
            return len(statements)

    assert asyncio.run(ask()) == 2


@pytest.mark.holds(
    "A page takes seconds in production, and a moment in the tests, which have three rows.",
    "No linter sees N+1, and mypy doesn't either.",
)
def test_no_rule_sees_it(database: str) -> None:
    dont = SNIPPETS / FOLDER / "awaited.py"
    assert not rules.found_only_in(dont, Path(dont).with_name("loaded.py"))
    awaited = importlib.import_module("snippets.database.queries.awaited")
    took, _ = asyncio.run(cost(awaited, database, 3))
    assert took == 4


@pytest.mark.holds(
    "A list of the service has a limit",
    "The service reads its users a page at a time, each by one query:",
)
@pytest.mark.service(
    "tests/test_handlers.py::test_users_are_listed_page_by_page",
    "tests/test_handlers.py::test_a_page_is_bounded",
)
@pytest.mark.proves("service/src/accounts/repositories/user_repository.py")
def test_the_service_bounds_its_lists(service: Callable[[], None]) -> None:
    service()
