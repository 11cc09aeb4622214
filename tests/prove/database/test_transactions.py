"""What the page on transactions claims."""

import asyncio
import importlib
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm.exc import StaleDataError

from tests.engine.pages import SNIPPETS
from tests.parts import clock, rules
from tests.parts.postgres import column
from tests.parts.tables import WAITING, filled, stored
from tests.prove.twins import dont

FOLDER = "database/transactions"
RACED = importlib.import_module("snippets.database.transactions.raced")
SOON = {"server_settings": {"deadlock_timeout": "10ms"}}  # so that it is seen soon


JUDGEMENTS = [
    "We call statements that the database keeps all or not at all a transaction.",
]


INSTRUCTIONS = [
    "Put all statements of one change into one async with sessions.begin(), and let the database refuse what must not be.",
    "If you don't know whether two requests can meet, lock the row that you read.",
    "Do: write both or neither",
    "Install sqlalchemy[asyncio], asyncpg and pydantic, and export the DATABASE_URL that make parts prints.",
    "After an error of the commit itself, look whether the order is stored: see A cancelled request leaves no connection behind.",
    "Don't commit in the middle",
    "Don't read, decide and write without a lock",
    "Do: lock the row that you read",
    "Lock a row at its first read in a session, or refresh the row as you lock it.",
    "Do: count versions where a user thinks in between",
    "Hold no lock while somebody fills in a form: it lasts as long as its transaction.",
    "Send the version with the form, and take it back with what the user typed.",
    "Refuse the change, and show the user the row as it is now.",
    "Do: lock rows in one order",
    "Don't lock rows in the order of the request",
    "Do: write only the fields that were sent",
    "Don't write the defaults of the rest",
    "Begin the transaction in the use case, and let no function below it commit.",
    "Give each rule that must hold between requests a constraint with a name: see Let a constraint refuse a row.",
    "Sort the keys of the rows that one transaction locks, changes or inserts.",
    "Call no remote service and wait for no user inside a transaction.",
    "Try again what the database undid",
]


async def read(engine: AsyncEngine, table: Any, key: Any) -> Any:
    """Return a row as another transaction sees it."""
    async with async_sessionmaker(engine)() as session:
        return await session.get(table, key)


@pytest.mark.holds(
    "Make a change whole or not at all",
    "An order is stored and the stock still counts the item, or two users bought the last one.",
    "Look at sessions.begin(): the end of the block commits, and an exception takes back all of it.",
    "The second order was refused, and its item went back to the stock.",
    "This version makes the same promise, and commits twice.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/whole.py", dont(f"{FOLDER}/halves.py", "1 order, but 2 items are gone")],
    indirect=True,
)
def test_both_are_written_or_neither(snippet: ModuleType, database: str) -> None:
    async def order_twice() -> tuple[int, int]:
        async with filled(snippet, database, snippet.Item(id=1, stock=10)) as engine:
            sessions = async_sessionmaker(engine)
            await snippet.place_order(sessions, 7, 1)
            with pytest.raises(IntegrityError):
                await snippet.place_order(sessions, 7, 1)
            (orders,) = await stored(engine, snippet, "SELECT count(*) FROM {}.orders")
            return orders, 10 - (await read(engine, snippet.Item, 1)).stock

    orders, gone = asyncio.run(order_twice())
    assert orders == gone, f"{orders} order, but {gone} items are gone"


@pytest.mark.holds(
    "ck_items_stock refuses the order of an item that is sold out, and the ForeignKey the order of an unknown item.",
)
@pytest.mark.parametrize(("item", "reason"), [(1, "ck_items_stock"), (2, "ForeignKeyViolation")])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/whole.py"], indirect=True)
def test_what_is_not_there_is_not_ordered(
    snippet: ModuleType, database: str, item: int, reason: str
) -> None:
    async def order() -> tuple[int, int]:
        async with filled(snippet, database, snippet.Item(id=1, stock=0)) as engine:
            with pytest.raises(IntegrityError, match=reason):
                await snippet.place_order(async_sessionmaker(engine), 7, item)
            (orders,) = await stored(engine, snippet, "SELECT count(*) FROM {}.orders")
            return orders, (await read(engine, snippet.Item, 1)).stock

    assert asyncio.run(order()) == (0, 0)


@pytest.mark.holds(
    "A test in which nothing fails is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/halves.py"], indirect=True)
def test_two_commits_pass_where_nothing_fails(snippet: ModuleType, database: str) -> None:
    async def order() -> tuple[int, int]:
        async with filled(snippet, database, snippet.Item(id=1, stock=10)) as engine:
            await snippet.place_order(async_sessionmaker(engine), 7, 1)
            (orders,) = await stored(engine, snippet, "SELECT count(*) FROM {}.orders")
            return orders, 10 - (await read(engine, snippet.Item, 1)).stock

    assert asyncio.run(order()) == (1, 1)


async def last_item(snippet: ModuleType, database: str, **options: Any) -> list[Any]:
    """Return what two calls for the last item raised or returned."""
    item = snippet.Item(id=1, stock=1)
    async with filled(snippet, database, item, **options) as engine:
        sessions = async_sessionmaker(engine)
        race, buy = RACED.race, snippet.buy
        buyers: list[Any] = await race(engine, buy(sessions, 1), buy(sessions, 1))
        assert (await read(engine, snippet.Item, 1)).stock == 0
    return buyers


@pytest.mark.holds(
    "A second sale of the last item leaves no line in the log, because each statement succeeds.",
    "Expect one None and one SoldOutError of await race(engine, buy(sessions, 1), buy(sessions, 1)).",
    "Two requests read the same row, and the second write replaces the first: that is a lost update.",
    "With with_for_update=True the second request waits at its read until the first has committed, and then reads what is left.",
    "Copy race into a test of your own: it lets two calls read before either of them writes, if the read is the first statement of each.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/locked.py",
        dont(f"{FOLDER}/lost.py", "2 users bought the last item"),
    ],
    indirect=True,
)
def test_the_last_item_is_sold_once(
    snippet: ModuleType, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.run(last_item(snippet, database))
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    sold = ended.count(None)
    assert sold == 1, f"{sold} users bought the last item"
    (refused,) = [error for error in ended if error]
    assert isinstance(refused, snippet.SoldOutError)


@pytest.mark.holds(
    "With version_id_col, each write of an object asks for the version that its session read: of two saves in one moment, the later one is refused.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/versioned.py"], indirect=True)
def test_of_two_saves_the_later_is_refused(snippet: ModuleType, database: str) -> None:
    refused = later_save(snippet, database, "READ COMMITTED")
    assert isinstance(refused, snippet.ChangedError)
    assert isinstance(refused.__cause__, StaleDataError)


@pytest.mark.holds(
    "Under REPEATABLE READ, the later one ends in a DBAPIError instead: catch it too where you raised the level.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/versioned.py"], indirect=True)
def test_a_higher_level_refuses_the_later_save_first(snippet: ModuleType, database: str) -> None:
    refused = later_save(snippet, database, "REPEATABLE READ")
    assert isinstance(refused, DBAPIError)
    assert "could not serialize access due to concurrent update" in str(refused)


def later_save(snippet: ModuleType, database: str, level: str) -> BaseException:
    """Return what the later of two saves in one moment ends with; the other one is stored."""

    async def race() -> tuple[int, list[Any]]:
        async with filled(snippet, database, snippet.Item(id=1, stock=5)) as engine:
            sessions = async_sessionmaker(engine.execution_options(isolation_level=level))
            saves = (snippet.set_stock(sessions, 1, 1, stock) for stock in (6, 7))
            ended = await RACED.race(engine, *saves)
            return (await read(engine, snippet.Item, 1)).stock, ended

    stock, ended = asyncio.run(race())
    (refused,) = filter(None, ended)
    assert stock == (6, 7)[ended.index(None)]
    assert isinstance(refused, BaseException)
    return refused


@pytest.mark.holds(
    "Look at item.version != version: it refuses what was typed before another user's change.",
    "Without it a new session reads the new version, no StaleDataError comes, and the other change is lost.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/versioned.py"], indirect=True)
def test_an_old_form_is_refused(snippet: ModuleType, database: str) -> None:
    async def save_twice() -> list[int]:
        async with filled(snippet, database, snippet.Item(id=1, stock=5)) as engine:
            sessions = async_sessionmaker(engine)
            seen = (await read(engine, snippet.Item, 1)).version
            await snippet.set_stock(sessions, 1, seen, 6)
            with pytest.raises(snippet.ChangedError):
                await snippet.set_stock(sessions, 1, seen, 7)
            stocks = [(await read(engine, snippet.Item, 1)).stock]
            async with sessions.begin() as session:  # without the comparison
                (await session.get_one(snippet.Item, 1)).stock = 7
            return [*stocks, (await read(engine, snippet.Item, 1)).stock]

    assert asyncio.run(save_twice()) == [6, 7]


@pytest.mark.holds(
    "An update(Item) neither asks for the version nor raises it: write both into the statement.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/versioned.py"], indirect=True)
def test_a_statement_does_not_know_the_version(snippet: ModuleType, database: str) -> None:
    item = snippet.Item
    known = update(item).where(item.id == 1, item.version == 1)

    async def change() -> list[tuple[int, int]]:
        found = list[tuple[int, int]]()
        async with filled(snippet, database, item(id=1, stock=5)) as engine:
            sessions = async_sessionmaker(engine)

            async def write(statement: Any) -> None:
                async with sessions.begin() as session:
                    await session.execute(statement)
                row = await read(engine, item, 1)
                found.append((row.stock, row.version))

            await write(update(item).where(item.id == 1).values(stock=6))
            await snippet.set_stock(sessions, 1, 1, 7)  # it knows nothing of the 6
            await write(known.values(stock=8, version=2))
            await write(
                update(item).where(item.version == 2).values(stock=9, version=item.version + 1)
            )
            with pytest.raises(snippet.ChangedError):
                await snippet.set_stock(sessions, 1, 2, 10)
        return found

    assert asyncio.run(change()) == [(6, 1), (7, 2), (9, 3)]


@pytest.mark.holds(
    "Ask a select for with_for_update(key_share=True) where others insert rows that refer to the row: without key_share they wait.",
    "A lock holds no row that isn't there yet: for a limit on the orders of a user, lock the user.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/locked.py"], indirect=True)
def test_what_a_lock_holds(snippet: ModuleType, database: str, record_property: Any) -> None:
    table = "CREATE TABLE orders (item_id int REFERENCES {}.items, user_id int)"

    async def lock(engine: AsyncEngine, statement: str, *, whole: bool) -> str:
        """Return what refuses a statement while the item and its orders are locked, if anything."""
        async with async_sessionmaker(engine).begin() as session:
            if whole:
                await session.get_one(snippet.Item, 1, with_for_update=True)
            else:
                await session.execute(select(snippet.Item).with_for_update(key_share=True))
            await session.execute(text("SELECT FROM orders WHERE user_id = 7 FOR UPDATE"))
            async with engine.connect() as other:
                await other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                try:
                    await other.execute(text(statement))
                except DBAPIError as error:
                    return type(error.orig and error.orig.__cause__).__name__
        return ""

    async def ask() -> list[str]:
        async with filled(snippet, database, snippet.Item(id=1, stock=1)) as engine:
            async with engine.begin() as connection:
                await connection.execute(text(table.format(snippet.SCHEMA)))
            order = "INSERT INTO orders VALUES ({}, 7)"
            again = f"SELECT FROM {snippet.SCHEMA}.items WHERE id = 1 FOR NO KEY UPDATE"
            return [
                await lock(engine, order.format(1), whole=True),
                await lock(engine, order.format(1), whole=False),
                await lock(engine, again, whole=False),  # it is a lock all the same
                await lock(engine, order.format("NULL"), whole=True),  # a row that nothing holds
            ]

    waits = "LockNotAvailableError"
    found = asyncio.run(ask())
    assert found == [waits, "", waits, ""]
    record_property("says", f"{'without' if found[0] else 'with'} key_share they wait")


@pytest.mark.holds(
    "with_for_update keeps the old values of a row that the session has read before.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/locked.py"], indirect=True)
def test_a_lock_does_not_read_again(snippet: ModuleType, database: str) -> None:
    async def read_twice() -> list[int]:
        async with filled(snippet, database, snippet.Item(id=1, stock=2)) as engine:
            sessions = async_sessionmaker(engine)
            async with sessions() as session:
                item = await session.get_one(snippet.Item, 1)
                await snippet.buy(sessions, 1)
                lock: dict[str, Any] = {"with_for_update": True}
                stocks = [item.stock, (await session.get_one(snippet.Item, 1, **lock)).stock]
                fresh = await session.get_one(snippet.Item, 1, **lock, populate_existing=True)
                return [*stocks, fresh.stock]

    assert asyncio.run(read_twice()) == [2, 2, 1]


@pytest.mark.holds(
    "One call after the other sells one item, so the test is green and the code is wrong.",
    "A transaction alone doesn't help: PostgreSQL's default isolation level is READ COMMITTED.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/lost.py"], indirect=True)
def test_one_after_the_other_sells_one(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    async def one_after_the_other() -> str:
        async with filled(snippet, database, snippet.Item(id=1, stock=1)) as engine:
            sessions = async_sessionmaker(engine)
            await snippet.buy(sessions, 1)
            with pytest.raises(snippet.SoldOutError):
                await snippet.buy(sessions, 1)
            (level,) = await stored(engine, snippet, "SHOW default_transaction_isolation")
            return str(level)

    level = asyncio.run(one_after_the_other()).upper()
    assert level == "READ COMMITTED"
    record_property("says", f"PostgreSQL's default isolation level is {level}")


@pytest.mark.holds(
    "Under REPEATABLE READ, PostgreSQL refuses the second write of lost.py with could not serialize access due to concurrent update.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/lost.py"], indirect=True)
def test_repeatable_read_refuses_the_second_write(snippet: ModuleType, database: str) -> None:
    ended = asyncio.run(last_item(snippet, database, isolation_level="REPEATABLE READ"))
    (refused,) = [error for error in ended if error]
    assert isinstance(refused, DBAPIError)
    assert "could not serialize access due to concurrent update" in str(refused)


@pytest.mark.holds(
    "Where SQL calculates the new value and a CheckConstraint refuses a wrong one, you need no lock of your own: see less in whole.py.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/locked.py"], indirect=True)
def test_an_update_that_calculates_loses_nothing(snippet: ModuleType, database: str) -> None:
    whole = importlib.import_module("snippets.database.transactions.whole")

    async def race(stock: int) -> tuple[int, list[Any]]:
        async with filled(whole, database, whole.Item(id=1, stock=stock)) as engine:
            sessions = async_sessionmaker(engine)
            orders = (whole.place_order(sessions, user, 1) for user in (7, 8))
            ended = await RACED.race(engine, *orders)
            return int((await read(engine, whole.Item, 1)).stock), ended

    assert asyncio.run(race(10)) == (8, [None, None])
    left, ended = asyncio.run(race(1))
    (refused,) = filter(None, ended)
    assert left == 0
    assert "ck_items_stock" in str(refused)
    assert asyncio.run(last_item(snippet, database)).count(None) == 1


async def exchange(snippet: ModuleType, database: str) -> list[Any]:
    """Return how two users end that give points to each other at once."""
    users = snippet.User(id=1, points=5), snippet.User(id=2, points=5)
    async with filled(snippet, database, *users, connect_args=SOON) as engine:
        sessions = async_sessionmaker(engine)
        gifts = snippet.give(sessions, 1, 2, 3), snippet.give(sessions, 2, 1, 1)
        ended: list[Any] = await RACED.race(engine, *gifts)
        points = "SELECT points FROM {}.users ORDER BY id"
        ended += await stored(engine, snippet, points)
    return ended


@pytest.mark.holds(
    "Look at order_by: each request locks the user with the lower number first.",
    "Ann gives points to Bob while Bob gives points to Ann, and each request waits for the row that the other holds.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/ordered.py", dont(f"{FOLDER}/crossed.py", "deadlock detected", error=DBAPIError)],
    indirect=True,
)
def test_two_users_give_to_each_other(
    snippet: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    asked, scalars = list[str](), AsyncSession.scalars

    async def noted(session: AsyncSession, statement: Any) -> Any:
        asked.append(str(statement))
        return await scalars(session, statement)

    monkeypatch.setattr(AsyncSession, "scalars", noted)
    *errors, ann, bob = asyncio.run(exchange(snippet, database))
    for error in filter(None, errors):
        raise error
    assert (ann, bob) == (3, 7)
    (ordered,) = {told.rpartition("ORDER BY ")[2].split(" FOR UPDATE")[0] for told in asked}
    end = "higher" if ordered.endswith(" DESC") else "lower"
    record_property("says", f"locks the user with the {end} number first")


@pytest.mark.parametrize("snippet", [f"{FOLDER}/ordered.py"], indirect=True)
def test_nobody_gives_more_than_there_is(snippet: ModuleType, database: str) -> None:
    async def give() -> int:
        users = snippet.User(id=1, points=5), snippet.User(id=2, points=5)
        async with filled(snippet, database, *users) as engine:
            with pytest.raises(IntegrityError, match="ck_users_points"):
                await snippet.give(async_sessionmaker(engine), 1, 2, 6)
            return int((await read(engine, snippet.User, 2)).points)

    assert asyncio.run(give()) == 5


@pytest.mark.holds(
    "PostgreSQL looks for such a deadlock when a statement has waited for deadlock_timeout, 1 second by default, and ends one of the transactions.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/crossed.py"], indirect=True)
def test_a_deadlock_ends_one_of_them(snippet: ModuleType, database: str) -> None:
    assert column(database, "SHOW deadlock_timeout") == ["1s"]
    *errors, ann, bob = asyncio.run(exchange(snippet, database))
    assert errors.count(None) == 1
    assert (ann, bob) == ((2, 8) if errors[0] is None else (6, 4))


@pytest.mark.holds(
    "The other request succeeds, so the error is gone when somebody tries to repeat it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/crossed.py"], indirect=True)
def test_one_gift_after_the_other_meets_no_deadlock(snippet: ModuleType, database: str) -> None:
    async def one_after_the_other() -> list[Any]:
        users = snippet.User(id=1, points=5), snippet.User(id=2, points=5)
        async with filled(snippet, database, *users) as engine:
            sessions = async_sessionmaker(engine)
            await snippet.give(sessions, 1, 2, 3)
            await snippet.give(sessions, 2, 1, 1)
            return await stored(engine, snippet, "SELECT points FROM {}.users ORDER BY id")

    assert asyncio.run(one_after_the_other()) == [3, 7]


async def changed(snippet: ModuleType, database: str, body: str) -> Any:
    """Return a user after a request with this body."""
    ann = snippet.User(id=1, name="Ann", phone="555 0100")
    async with filled(snippet, database, ann) as engine:
        data = snippet.UserUpdate.model_validate_json(body)
        await snippet.update_user(async_sessionmaker(engine), 1, data)
        return await read(engine, snippet.User, 1)


@pytest.mark.holds(
    "A change names some fields of a user.",
    "Look at exclude_unset=True: it leaves out the fields that the request doesn't name.",
    "The request changed a name and erased a number that it didn't mention.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/partial.py", dont(f"{FOLDER}/full.py", "the phone number is None")],
    indirect=True,
)
def test_what_is_not_named_stays(snippet: ModuleType, database: str) -> None:
    user = asyncio.run(changed(snippet, database, '{"name": "Anna"}'))
    assert user.name == "Anna"
    assert user.phone == "555 0100", f"the phone number is {user.phone}"


@pytest.mark.holds(
    'A request with "phone": null takes the number away, because it says so.',
    'min_length=1 refuses an empty name, and extra="forbid" refuses a field that nobody may set, such as is_admin.',
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/partial.py"], indirect=True)
def test_a_null_is_meant(snippet: ModuleType, database: str) -> None:
    user = asyncio.run(changed(snippet, database, '{"phone": null}'))
    assert (user.name, user.phone) == ("Ann", None)
    for refused in ('{"is_admin": true}', '{"name": null}', '{"name": ""}'):
        with pytest.raises(ValidationError):
            snippet.UserUpdate.model_validate_json(refused)


@pytest.mark.holds(
    "After a deadlock nothing is left of the transaction, so a use case that did nothing outside it can run once more.",
    "The service does so with a decorator, which calls the use case again, and the use case begins a new transaction:",
    "An error that the second try meets too reaches the client, and a refused row isn't tried again.",
)
@pytest.mark.service(
    "tests/test_passing.py::test_what_the_database_undid_is_tried_again_once",
    "tests/test_passing.py::test_two_transactions_that_wait_for_each_other",
)
@pytest.mark.proves("service/src/accounts/services/transaction.py")
def test_the_service_tries_again(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "By default each statement sees what was committed before it began, so a second read can give another answer.",
    "A commit makes all of it visible at once.",
)
def test_what_a_transaction_sees(database: str) -> None:
    async def look() -> list[int | None]:
        engine, begun = create_async_engine(database), list[object]()
        count = text("SELECT count(*) FROM orders")
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE orders (id integer)"))
        event.listen(engine.sync_engine, "begin", begun.append)
        async with engine.connect() as reader, engine.connect() as writer:
            assert begun == []
            seen = [await reader.scalar(count)]
            assert len(begun) == 1
            for _ in range(2):
                await writer.execute(text("INSERT INTO orders VALUES (1)"))
                seen.append(await reader.scalar(count))
            await writer.commit()
            seen.append(await reader.scalar(count))
        await engine.dispose()
        return seen

    assert asyncio.run(look()) == [0, 0, 0, 2]


@pytest.mark.holds(
    "A write locks its row until the transaction ends, and a second write waits for it.",
)
def test_a_second_write_waits(database: str) -> None:
    take = text("UPDATE items SET stock = stock - 1")

    async def write_twice() -> list[str]:
        engine, order = create_async_engine(database), list[str]()
        beside = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE items (stock integer)"))
            await connection.execute(text("INSERT INTO items VALUES (2)"))

        async def second() -> None:
            async with engine.begin() as connection:
                await connection.execute(take)
                order.append("the second writes")

        async with beside.connect() as watching, engine.begin() as first:
            await first.execute(take)
            waiting = asyncio.create_task(second())
            while not await watching.scalar(WAITING):
                pass
            order.append("the first commits")
            await first.commit()
            await waiting
        await engine.dispose()
        return order

    assert asyncio.run(write_twice()) == ["the first commits", "the second writes"]


@pytest.mark.holds(
    "Copy race into a test of your own: it lets two calls read before either of them writes, if the read is the first statement of each.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/lost.py"], indirect=True)
def test_a_race_looks_at_its_own_calls_and_leaves_nothing(
    snippet: ModuleType, database: str
) -> None:
    lock = text("SELECT pg_advisory_xact_lock(1)")

    async def look() -> tuple[list[Any], list[int]]:
        async with filled(snippet, database, snippet.Item(id=1, stock=1)) as engine:
            other, sessions = create_async_engine(database), async_sessionmaker(engine)
            beside = other.execution_options(isolation_level="AUTOCOMMIT")

            async def wait() -> None:
                async with other.begin() as second:
                    await second.execute(lock)

            async def late() -> None:
                for _ in range(20):
                    await asyncio.sleep(clock.POLL)  # as if it did something else first
                await snippet.buy(sessions, 1)

            async with beside.connect() as watching, other.begin() as first:
                await first.execute(lock)
                waiting = asyncio.create_task(wait())  # another test, on the same database
                while not await watching.scalar(WAITING):
                    pass
                ended = await RACED.race(engine, snippet.buy(sessions, 1), late())
            await waiting
            heard = engine.sync_engine.dispatch
            left = [len(heard.before_cursor_execute), len(heard.after_cursor_execute)]
            await other.dispose()
            return ended, left

    assert asyncio.run(look()) == ([None, None], [0, 0])


@pytest.mark.holds(
    "No linter sees a lost update.",
)
@pytest.mark.proves(f"{FOLDER}/raced.py")
def test_no_rule_sees_a_lost_update(database: str) -> None:
    dont = SNIPPETS / FOLDER / "lost.py"
    assert not rules.found_only_in(dont, dont.with_name("locked.py"))
    lost = importlib.import_module("snippets.database.transactions.lost")
    assert asyncio.run(last_item(lost, database)) == [None, None]
