"""What the page on constraints claims."""

import asyncio
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from asyncpg import InterfaceError  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import event, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.ext.asyncio import async_sessionmaker

from tests.parts.postgres import connected
from tests.parts.tables import WAITING, filled, stored
from tests.prove.twins import dont

FOLDER = "database/constraints"
RACED = importlib.import_module("snippets.database.transactions.raced")


INSTRUCTIONS = [
    "Let a constraint refuse a row",
    "Give each rule between rows a constraint with a name, and catch the IntegrityError of that constraint alone.",
    "If you don't know which constraint refused a row, let the error end the request.",
    "Install sqlalchemy[asyncio] and asyncpg, and export the DATABASE_URL that make parts prints.",
    "Don't ask before you insert",
    "Do: let a part fail",
    "Don't catch an error of the database without a savepoint",
    "Name each constraint in the model and in the migration.",
    "Catch IntegrityError where you know the constraint, and raise your own error.",
    "Map your own error to an answer in one place: see Answer each error in one place.",
    "Copy race from Make a change whole or not at all, and make two calls of add_user for one address.",
]


@pytest.mark.holds(
    "An address that is taken must not stop the import of the rest.",
    "Or one address of an import is taken, SQLAlchemy raises PendingRollbackError, and nothing of the import is stored.",
    "begin_nested sets a savepoint: an error takes back what came after it, and no more.",
    "After an error the transaction takes no further statement, and nothing of the import is stored.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/savepoint.py",
        dont(f"{FOLDER}/poisoned.py", "rolled back", error=PendingRollbackError),
    ],
    indirect=True,
)
def test_the_rest_is_imported(snippet: ModuleType, database: str) -> None:
    emails = [f"{name}@example.org" for name in ("ann", "ann", "bob")]

    async def import_all() -> None:
        async with filled(snippet, database) as engine:
            query = "SELECT email FROM {}.users ORDER BY email"
            try:
                taken = await snippet.import_users(async_sessionmaker(engine), emails)
            except PendingRollbackError:
                assert await stored(engine, snippet, query) == []
                raise
            assert taken == [emails[1]]
            assert await stored(engine, snippet, query) == [emails[0], emails[2]]

    asyncio.run(import_all())


@pytest.mark.holds(
    "Look at sorted: each import stores its addresses in one order, so two imports don't end in a deadlock.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/savepoint.py"], indirect=True)
def test_two_imports_wait_in_one_order(snippet: ModuleType, database: str) -> None:
    ann, bob = (f"{name}@example.org" for name in ("ann", "bob"))

    async def import_both() -> list[str]:
        async with filled(snippet, database) as engine:
            sessions = async_sessionmaker(engine)
            beside = engine.execution_options(isolation_level="AUTOCOMMIT")
            async with beside.connect() as watching, sessions() as first:
                first.add(snippet.User(email=ann))
                await first.flush()
                second = asyncio.create_task(snippet.import_users(sessions, [bob, ann]))
                while not await watching.scalar(WAITING):
                    assert not second.done()
                await first.execute(text("SET LOCAL lock_timeout = '50ms'"))
                first.add(snippet.User(email=bob))
                try:
                    await first.commit()
                finally:
                    await first.close()
                    taken: list[str] = await second
        return taken

    assert asyncio.run(import_both()) == [ann, bob]


@pytest.mark.holds(
    "The insert of sqlalchemy.dialects.postgresql stores a list at once, if it ends in on_conflict_do_nothing.",
    "Give execute the list as its second argument: in values, asyncpg takes 32767 fields of all rows together.",
    "Tell it the name of the constraint as constraint, or the statement hides what another unique constraint refuses.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/savepoint.py"], indirect=True)
def test_a_list_is_stored_at_once(
    snippet: ModuleType, database: str, record_property: Callable[[str, object], None]
) -> None:
    user, ran, most = snippet.User, list[str](), 32767
    rows = [{"id": 1 + n, "email": f"{n % 300}@example.org"} for n in range(most // 2 + 1)]

    async def import_all() -> int:
        async with filled(snippet, database) as engine:
            event.listen(
                engine.sync_engine, "after_cursor_execute", lambda *told: ran.append(told[2])
            )
            async with async_sessionmaker(engine).begin() as session:
                await session.execute(insert(user).on_conflict_do_nothing(), rows)
            assert len(ran) == 1
            both = insert(user).values(rows[:2]).compile(dialect=engine.dialect)
            assert len(both.params) == 4  # a field of each row is an argument of the statement
            async with connected(database.replace("+asyncpg", "")) as connection:
                with pytest.raises(InterfaceError, match=f"arguments cannot exceed {most}"):
                    await connection.fetch("SELECT", *range(most + 1))
            (count,) = await stored(engine, snippet, "SELECT count(*) FROM {}.users")
            async with async_sessionmaker(engine).begin() as session:
                other = {"id": 1, "email": "ann@example.org"}
                added = insert(user).values(other)
                await session.execute(added.on_conflict_do_nothing())  # it hides that 1 is taken
                with pytest.raises(IntegrityError, match="users_pkey"):
                    await session.execute(added.on_conflict_do_nothing(constraint="uq_users_email"))
            return int(count)

    assert asyncio.run(import_all()) == 300
    record_property("figure", f"{most} fields")


@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/savepoint.py", f"{FOLDER}/poisoned.py"], indirect=True
)
def test_another_refusal_ends_the_import(snippet: ModuleType, database: str) -> None:
    async def import_one() -> None:
        async with filled(snippet, database) as engine:
            async with engine.begin() as connection:
                short = f"ALTER TABLE {snippet.SCHEMA}.users ADD CHECK (email <> 'ann')"
                await connection.execute(text(short))
            await snippet.import_users(async_sessionmaker(engine), ["ann"])

    with pytest.raises(IntegrityError, match="users_email_check"):
        asyncio.run(import_one())


@pytest.mark.holds(
    "If the refused address is the last, nothing is raised at all, and nothing is stored either.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/poisoned.py"], indirect=True)
def test_the_last_refusal_is_silent(snippet: ModuleType, database: str) -> None:
    async def import_two() -> list[Any]:
        async with filled(snippet, database) as engine:
            emails = ["ann@example.org"] * 2
            assert await snippet.import_users(async_sessionmaker(engine), emails) == emails[1:]
            return await stored(engine, snippet, "SELECT email FROM {}.users")

    assert asyncio.run(import_two()) == []


@pytest.mark.holds(
    "Two requests ask for one address in the same moment, and one of them ends in an error of the server.",
    "Only the database sees both requests, so insert the row, and let the constraint say that the address is taken.",
    "Expect one None and one EmailTakenError.",
    "Both requests found the address free, and the second fails where it should be told that the address is taken.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/taken.py", dont(f"{FOLDER}/asked.py", "uq_users_email", error=IntegrityError)],
    indirect=True,
)
def test_an_address_is_given_once(snippet: ModuleType, database: str) -> None:
    async def race() -> list[Any]:
        async with filled(snippet, database) as engine:
            sessions = async_sessionmaker(engine)
            both = (snippet.add_user(sessions, "ann@example.org") for _ in range(2))
            return list(await RACED.race(engine, *both))

    ended = asyncio.run(race())
    assert ended.count(None) == 1
    (error,) = filter(None, ended)
    if not isinstance(error, snippet.EmailTakenError):
        raise error


@pytest.mark.holds(
    "One call after the other is told so, and the test is green.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/asked.py"], indirect=True)
def test_one_after_the_other_is_told(snippet: ModuleType, database: str) -> None:
    async def add_twice() -> None:
        async with filled(snippet, database) as engine:
            sessions = async_sessionmaker(engine)
            await snippet.add_user(sessions, "ann@example.org")
            with pytest.raises(snippet.EmailTakenError):
                await snippet.add_user(sessions, "ann@example.org")

    asyncio.run(add_twice())


@pytest.mark.holds(
    "Look at constraint_name: another constraint that refuses the row is a bug, and stays an error.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/taken.py"], indirect=True)
def test_another_constraint_stays_an_error(snippet: ModuleType, database: str) -> None:
    async def add() -> None:
        async with filled(snippet, database) as engine:
            async with engine.begin() as connection:
                short = f"ALTER TABLE {snippet.SCHEMA}.users ADD CHECK (email <> 'ann')"
                await connection.execute(text(short))
            await snippet.add_user(async_sessionmaker(engine), "ann")

    with pytest.raises(IntegrityError, match="users_email_check"):
        asyncio.run(add())


@pytest.mark.holds(
    "The service catches the refusal of an address where it writes the row, and a table turns EmailTakenError into an answer:",
)
@pytest.mark.service(
    "tests/test_handlers.py::test_an_address_belongs_to_one_user_whatever_its_case",
    "tests/test_passing.py::test_another_constraint_is_a_bug_that_is_named",
)
@pytest.mark.proves("service/src/accounts/repositories/user_repository.py")
def test_the_service_names_the_constraint(service: Callable[[], None]) -> None:
    service()
