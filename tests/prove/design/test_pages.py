"""What the page on pages claims."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from tests.engine.pages import SNIPPETS

FOLDER = "design/pages"
KEYSET = f"{FOLDER}/keyset.py"
OFFSET = f"{FOLDER}/offset.py"
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Return a long list in pages that stay right",
    "Begin each page after the last row of the page before, by a column that is unique, sorted, and never changes.",
    "If you don't know which column to take, take the primary key.",
    "Install sqlalchemy[asyncio] and asyncpg.",
    "Don't skip rows by their number",
    "Where a client must miss nothing, send it events, and let it read the whole list from time to time.",
    "Sort by a unique column that never changes, or add the primary key as the last one and compare both with sqlalchemy.tuple_.",
    "With two columns, sort both in one direction, make both NOT NULL, and give them one index.",
    "Set a limit for the limit, or a client asks for the whole table.",
    "Ask for one row more than you return, and name a next page only where that row is there.",
    "Leave out the number of all pages: it costs a count of the table, and is old when it arrives.",
    "Read a list page by page in a test, and add one row and delete one between two pages.",
    "Begin with tests/prove/design/test_pages.py, and put your own list in place of ours.",
]


@asynccontextmanager
async def orders(snippet: ModuleType, url: str, number: int) -> AsyncIterator[AsyncEngine]:
    """Give an engine of a database with some orders, whose ids begin with 1."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(snippet.Base.metadata.create_all)
        fill = text("INSERT INTO orders SELECT FROM generate_series(1, :number)")
        await connection.execute(fill, {"number": number})
    yield engine
    await engine.dispose()


async def change(engine: AsyncEngine, statement: str) -> None:
    """Commit one change, on a connection of its own."""
    async with engine.begin() as connection:
        await connection.execute(text(statement))


async def read(snippet: ModuleType, engine: AsyncEngine, *changes: str) -> list[int]:
    """Return the orders of three pages, with a change before each but the first."""
    found, start = list[int](), dict[str, int]()
    for statement in ["SELECT 1", *changes]:
        await change(engine, statement)
        async with AsyncSession(engine) as session:
            rows, begins = await snippet.page(session, **start)
        found, start = found + rows, {"start": begins}
    return found


LARGEST = 2**31 - 1  # the largest id of the table
ADD, DELETE = "INSERT INTO orders DEFAULT VALUES", "DELETE FROM orders WHERE id = 9"


@pytest.mark.holds(
    "A client reads a list of orders page by page, and sees one order twice and misses another.",
    "An offset counts rows, and the rows before it come and go between two requests.",
    "Look at where: the next page holds what is below the last order that the client saw.",
    "An order that is added while the client reads pushes all others down, so the client sees one of them twice.",
    "An order that is deleted pulls them up, and one is lost.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        KEYSET,
        pytest.param(
            OFFSET,
            marks=pytest.mark.xfail(  # an offset counts what came and went
                strict=True,
                raises=pytest.RaisesExc(
                    AssertionError, match=r"order \[7\] comes twice, and order \[6\] is lost"
                ),
            ),
        ),
    ],
    indirect=True,
)
def test_pages_stay_right_while_rows_come_and_go(snippet: ModuleType, database: str) -> None:
    async def walk() -> tuple[list[int], list[int]]:
        async with orders(snippet, database, 9) as engine:
            added = await read(snippet, engine, ADD, "SELECT 1")
            await change(engine, "DELETE FROM orders WHERE id > 9")
            deleted = await read(snippet, engine, DELETE, "SELECT 1")
            return added, deleted

    added, deleted = asyncio.run(walk())
    twice = [order for order in sorted(set(added)) if added.count(order) > 1]
    lost = sorted(set(range(1, 10)) - set(deleted))
    assert (twice, lost) == ([], []), f"order {twice} comes twice, and order {lost} is lost"
    assert added == deleted == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.holds(
    "No order changes in a test that reads a fixed table, so the test is green.",
)
@pytest.mark.parametrize("snippet", [OFFSET], indirect=True)
def test_a_fixed_table_hides_the_fault(snippet: ModuleType, database: str) -> None:
    async def walk() -> list[int]:
        async with orders(snippet, database, 9) as engine:
            return await read(snippet, engine, "SELECT 1", "SELECT 1")

    assert asyncio.run(walk()) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.holds(
    "A row whose place changes is missed too",
    "An order that moves up while the client reads, as by its time of change, is missed: the client has passed its new place.",
    "An order that moves down is seen twice.",
)
@pytest.mark.parametrize("snippet", [KEYSET], indirect=True)
def test_an_order_that_moves(snippet: ModuleType, database: str) -> None:
    move = "UPDATE orders SET id = {} WHERE id = {}"  # stands for a column that changes

    async def walk() -> tuple[list[int], list[int], list[int]]:
        async with orders(snippet, database, 9) as engine:
            up = await read(snippet, engine, move.format(LARGEST, 2), "SELECT 1")
            first = await read(snippet, engine)
            await change(engine, move.format(2, LARGEST))
            await change(engine, "DELETE FROM orders WHERE id = 1")
            return up, first, await read(snippet, engine, move.format(1, 9), "SELECT 1")

    up, first, down = asyncio.run(walk())
    assert first == [LARGEST, 9, 8]
    assert up == [9, 8, 7, 6, 5, 4, 3, 1], "the order that moved up from 2 is missed"
    assert down == [9, 8, 7, 6, 5, 4, 3, 2, 1], "the order 9 comes again as 1, which was gone"


def scanned(plan: dict[str, Any]) -> int:
    """Return how many rows a plan's scan of the table read, with those that it left out."""
    while "Plans" in plan:
        (plan,) = plan["Plans"]
    assert "Index" in plan["Node Type"], plan
    return int(plan["Actual Rows"]) + int(plan.get("Rows Removed by Filter", 0))


async def cost(snippet: ModuleType, url: str, start: int) -> tuple[int, int]:
    """Return how many rows PostgreSQL reads for a page of 10,000 orders, and how many it gives."""
    asked = list[tuple[str, Any]]()
    async with orders(snippet, url, 10_000) as engine:

        def note(*told: Any) -> None:
            asked.append((told[2], told[3]))

        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            await connection.execute(text("VACUUM ANALYZE orders"))
            event.listen(engine.sync_engine, "before_cursor_execute", note)
            found, _ = await snippet.page(AsyncSession(connection), start=start)
            event.remove(engine.sync_engine, "before_cursor_execute", note)
            assert found == [1000, 999, 998]
            ((statement, parameters),) = asked
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
            ((plan,),) = (await connection.exec_driver_sql(explain, parameters)).scalars().all()
            await connection.execute(text("DROP TABLE orders"))
    return scanned(plan["Plan"]), len(found)


@pytest.mark.holds(
    "The database reads what the offset skips",
    "For 3 orders behind the first 9000, PostgreSQL reads 9003 rows with the offset, and 3 rows with the keyset.",
    "The last pages take longer than the first, and the table grows.",
    "An index keeps its rows sorted, so the database goes to one value at once and reads on from there.",
    "It doesn't keep their numbers, so the database must count the rows that an offset skips.",
)
@pytest.mark.parametrize(
    ("snippet", "start", "rows"), [(KEYSET, 1001, 3), (OFFSET, 9000, 9003)], indirect=["snippet"]
)
def test_what_a_deep_page_costs(
    snippet: ModuleType, start: int, rows: int, database: str, record_property: Any
) -> None:
    read, given = asyncio.run(cost(snippet, database, start))
    assert read == rows
    record_property("figure", f"{read} rows")
    record_property("figure", f"{given} orders")
    record_property("figure", str(read - given))


@pytest.mark.holds(
    "A row that commits late is missed",
    "PostgreSQL gives an order its number before the transaction commits.",
    "A client that has passed the place of an order doesn't see it when it commits after a newer order.",
)
@pytest.mark.parametrize("snippet", [KEYSET], indirect=True)
def test_an_order_that_commits_late_is_missed(snippet: ModuleType, database: str) -> None:
    async def walk() -> tuple[int, list[int], list[int]]:
        async with orders(snippet, database, 2) as engine, engine.connect() as late:
            number = await late.scalar(text(f"{ADD} RETURNING id"))
            await change(engine, ADD)
            async with AsyncSession(engine) as session:
                first, start = await snippet.page(session, limit=2)
            await late.commit()
            async with AsyncSession(engine) as session:
                rest, _ = await snippet.page(session, start)
            return number, first, rest

    number, first, rest = asyncio.run(walk())
    assert (number, first, rest) == (3, [4, 2], [1])


@pytest.mark.holds(
    "The list of the service",
    "The last page has next_after null, and a limit above 100 gets 422.",
)
@pytest.mark.service(
    "tests/test_handlers.py::test_users_are_listed_page_by_page",
    "tests/test_handlers.py::test_a_page_is_bounded",
)
@pytest.mark.proves("service/src/accounts/api/handlers.py")
def test_the_list_of_the_service(service: Holds, record_property: Any) -> None:
    service()
    told = (SNIPPETS / "service/tests/test_handlers.py").read_text()
    body = told.partition("def test_a_page_is_bounded")[2].partition("\ndef ")[0]
    record_property("figure", re.findall(r"\b4\d\d\b", body)[0])
    handlers = (SNIPPETS / "service/src/accounts/api/handlers.py").read_text()
    limit = re.findall(r"limit: .*le=(\d+)", handlers)[0]
    record_property("figure", f"{limit} gets")
