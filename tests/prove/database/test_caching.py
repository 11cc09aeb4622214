"""What the page on caching claims."""

import asyncio
import importlib
import importlib.metadata
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.parts import clock, rules
from tests.parts.server import free_port
from tests.prove.twins import dont

FOLDER = "database/caching"
CHECKED = importlib.import_module("snippets.database.caching.checked")
ANN, BOB = 1, 2
ALL = [f"{FOLDER}/{name}.py" for name in ("aside", "unexpiring", "early", "shared", "untimed")]


INSTRUCTIONS = [
    "Add a cache that may be away and isn't wrong for long",
    "Look for a query that each request repeats, though its answer seldom changes.",
    "If you have a cache, look for an old total long after a new order, and for requests that wait for minutes.",
    "Give each value in the cache an expiry, each question to the cache a timeout, and each key the user whose data it holds.",
    "If you don't know whether you need a cache, leave it out, and see Write queries whose cost a test can see first.",
    "Install redis, sqlalchemy[asyncio] and asyncpg.",
    "Choose SECONDS by what a wrong total costs.",
    "Don't keep a value without an expiry",
    "Don't delete the key before the commit",
    "Don't leave the user out of the key",
    "Don't wait for a cache that hangs",
    "Do: let many misses make one query",
    "Build one Gathered(partial(total, cache, engine)) for each process, with the total of the first block.",
    "Keep out secrets: each process that reaches the cache can read them.",
    "Keep out permissions: a right that was taken away lasts until its key expires.",
    "Keep out errors, or a failure lasts as long as an answer.",
    "Keep out what a change depends on: see Do: lock the row that you read.",
    "Put all that the answer depends on into the key, such as the user and the language.",
    "Open one client in the lifespan: see Open the client of a cache once too.",
    "Read through the cache in the use case, so that an endpoint doesn't know of it.",
    "Turn the cache off in tests, but for those of the cache.",
    "Measure whether the database bears all requests, as it must while the cache is away.",
    "Leave a silent cache alone",
    "Copy these checks, and run each with an empty cache on a user without orders.",
]


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer of the real cache be late, however busy the machine is."""
    if {"valkey", "snippet"} <= set(request.fixturenames):
        monkeypatch.setattr(request.getfixturevalue("snippet"), "PATIENCE", 30.0, raising=False)


class Meeting(CHECKED.Reading):  # type: ignore[misc, name-defined]  # it comes from a snippet
    """A client that lets something happen before it stores, or after it deletes."""

    first: Callable[[], Awaitable[object]] | None = None

    async def set(self, *args: Any, **options: Any) -> Any:
        """Let happen what is to happen, once, and then store a value."""
        first, self.first = self.first, None
        if first is not None:
            await first()
        return await super().set(*args, **options)


@asynccontextmanager
async def shop(
    snippet: ModuleType, database: str, valkey: str
) -> AsyncIterator[tuple[Meeting, AsyncEngine]]:
    """Give an empty cache and a database with the snippet's table."""
    engine, cache = create_async_engine(database), Meeting.from_url(valkey)
    try:
        await cache.flushall()
        async with engine.begin() as connection:
            await connection.execute(snippet.ORDERS)
        yield cache, engine
    finally:
        await cache.aclose()
        await engine.dispose()


def counted(engine: AsyncEngine) -> list[str]:
    """Return the list to which an engine adds its queries."""
    statements = list[str]()

    def note(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("SELECT coalesce"):
            statements.append(statement)

    event.listen(engine.sync_engine, "after_cursor_execute", note)
    return statements


@pytest.mark.holds(
    "The second request for a total asks the database nothing.",
    "The client redis speaks to Valkey too.",
    "A test that reads, orders and reads again is green.",
    "A test in which no request comes between is green.",
    "A test with one user is green, and no linter sees that a user or an expiry is missing.",
    "A test with a cache that answers is green.",
)
@pytest.mark.parametrize("snippet", ALL, indirect=True)
def test_one_request_after_the_other(snippet: ModuleType, database: str, valkey: str) -> None:
    async def ask() -> tuple[list[int], int]:
        async with shop(snippet, database, valkey) as (cache, engine):
            queries, told = counted(engine), list[int]()
            for cents in (100, 200):
                await snippet.place_order(cache, engine, ANN, cents)
                told += [await snippet.total(cache, engine, ANN) for _ in range(2)]
            return told, len(queries)

    assert asyncio.run(ask()) == ([100, 100, 300, 300], 2)


@pytest.mark.holds(
    "Even here, a reader can store an old total:",
    "A request finds nothing in the cache, and reads the total from the database.",
    "An order is committed, and deletes the key.",
    "The first request stores the total that it read before.",
    "From then on the cache is wrong, for SECONDS at most.",
    "A total may be wrong until it expires",
    "After the same race, the total stays wrong until the next order of that user.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/aside.py", dont(f"{FOLDER}/unexpiring.py", "the wrong total never expires")],
    indirect=True,
)
def test_what_is_wrong_ends(snippet: ModuleType, database: str, valkey: str) -> None:
    async def race() -> tuple[int, int]:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            cache.first = lambda: snippet.place_order(cache, engine, ANN, 200)
            assert await snippet.total(cache, engine, ANN) == 100
            assert await snippet.read(engine, ANN) == 300
            wrong = await snippet.total(cache, engine, ANN)
            (key,) = await cache.keys()
            left = await cache.ttl(key)
            await snippet.place_order(cache, engine, ANN, 50)
            assert await snippet.total(cache, engine, ANN) == 350
            return wrong, left

    wrong, left = asyncio.run(race())
    assert wrong == 100
    assert left != -1, "the wrong total never expires"
    assert 0 < left <= snippet.SECONDS


@pytest.mark.holds(
    "From then on the cache is wrong, for SECONDS at most.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_what_expired_is_read_anew(
    snippet: ModuleType, database: str, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def expire() -> int:
        async with shop(snippet, database, valkey) as (cache, engine):
            cache.first = lambda: snippet.place_order(cache, engine, ANN, 200)
            assert await snippet.total(cache, engine, ANN) == 0
            while await cache.keys():  # noqa: ASYNC110  the cache tells nobody
                await asyncio.sleep(clock.POLL)  # the time decides nothing
            return int(await snippet.total(cache, engine, ANN))

    monkeypatch.setattr(snippet, "SECONDS", 1)
    assert asyncio.run(expire()) == 200


def away() -> Redis:
    """Return a client of a cache that is not there, which tries once."""
    return Redis(port=free_port(), retry=Retry(NoBackoff(), 0))


@pytest.mark.holds(
    "If the cache is away or hangs, the total comes from the database, and a line in the log says so.",
)
@pytest.mark.parametrize("snippet", ALL, indirect=True)
def test_a_cache_that_is_away(
    snippet: ModuleType, database: str, valkey: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def order() -> int:
        async with shop(snippet, database, valkey) as (_, engine), away() as nowhere:
            await snippet.place_order(nowhere, engine, ANN, 100)
            return int(await snippet.total(nowhere, engine, ANN))

    assert asyncio.run(order()) == 100
    assert caplog.text.count("no answer from the cache: network:ConnectionError") == 3


@pytest.mark.holds(
    "If the cache is away while the order is placed, or the request ends before the deletion, the old total stays until it expires.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_a_request_that_ends_before_it_deletes(
    snippet: ModuleType, database: str, valkey: str
) -> None:
    async def order() -> tuple[list[int], int]:
        begun = asyncio.Event()

        async def delete(_: str) -> None:
            begun.set()
            await asyncio.Event().wait()

        async with shop(snippet, database, valkey) as (cache, engine):
            told = [await snippet.total(cache, engine, ANN)]
            stuck = SimpleNamespace(delete=delete)
            request = asyncio.create_task(snippet.place_order(stuck, engine, ANN, 100))
            await begun.wait()
            request.cancel()
            await asyncio.wait([request])
            told += [await snippet.total(cache, engine, ANN), await snippet.read(engine, ANN)]
            return told, await cache.ttl((await cache.keys())[0])

    told, left = asyncio.run(order())
    assert told == [0, 0, 100]
    assert 0 < left <= snippet.SECONDS


@pytest.mark.holds(
    "Give the key another name when you change the form of the value: total fails on a value that it can't read.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_a_value_of_another_form_is_not_read(
    snippet: ModuleType, database: str, valkey: str
) -> None:
    async def read() -> int:
        async with shop(snippet, database, valkey) as (cache, engine):
            assert await snippet.total(cache, engine, ANN) == 0
            (key,) = await cache.keys()
            await cache.set(key, '{"cents": 0}')
            return int(await snippet.total(cache, engine, ANN))

    with pytest.raises(ValueError, match="cents"):
        asyncio.run(read())


@pytest.mark.holds(
    "If the cache is away while the order is placed, or the request ends before the deletion, the old total stays until it expires.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_a_missed_change_ends_too(snippet: ModuleType, database: str, valkey: str) -> None:
    async def order() -> tuple[list[int], int]:
        async with shop(snippet, database, valkey) as (cache, engine), away() as nowhere:
            told = [await snippet.total(cache, engine, ANN)]
            await snippet.place_order(nowhere, engine, ANN, 100)
            told += [await snippet.total(each, engine, ANN) for each in (cache, nowhere)]
            return told, await cache.ttl((await cache.keys())[0])

    told, left = asyncio.run(order())
    assert told == [0, 0, 100]
    assert 0 < left <= snippet.SECONDS


@pytest.mark.holds(
    "The order is committed before the old total is deleted.",
    "A request that comes between the deletion and the commit reads the old total, and stores it again.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/aside.py", dont(f"{FOLDER}/early.py", "the cache tells 100 instead of 300")],
    indirect=True,
)
def test_a_reader_between_finds_the_change(snippet: ModuleType, database: str, valkey: str) -> None:
    async def read_between() -> int:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            await snippet.total(cache, engine, ANN)
            cache.then = lambda: snippet.total(cache, engine, ANN)
            await snippet.place_order(cache, engine, ANN, 200)
            assert cache.then is None
            assert await snippet.read(engine, ANN) == 300
            return int(await snippet.total(cache, engine, ANN))

    told = asyncio.run(read_between())
    assert told == 300, f"the cache tells {told} instead of 300"


@pytest.mark.holds("Bob is told what Ann's orders come to.")
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/aside.py", dont(f"{FOLDER}/shared.py", "Bob is told 100, which are Ann's")],
    indirect=True,
)
def test_each_user_gets_their_own(snippet: ModuleType, database: str, valkey: str) -> None:
    async def ask() -> list[int]:
        async with shop(snippet, database, valkey) as (cache, engine):
            await snippet.place_order(cache, engine, ANN, 100)
            return [await snippet.total(cache, engine, user) for user in (ANN, BOB)]

    ann, bob = asyncio.run(ask())
    assert ann == 100
    assert bob == 0, f"Bob is told {bob}, which are Ann's"


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what a client sends, and answer nothing."""
    await reader.read()
    writer.close()


@pytest.mark.holds(
    "Look at ask: where the cache gives no answer in time, the request goes on without it.",
    "If the cache is away or hangs, the total comes from the database, and a line in the log says so.",
    "By default, version 8 of redis waits 5 seconds for an answer, and tries 10 times more.",
    "The request asked the cache twice, so it waited almost 2 minutes.",
    "With PATIENCE, each request still waits twice while the cache hangs: Leave a silent cache alone.",
)
@pytest.mark.parametrize(
    "snippet",
    [f"{FOLDER}/aside.py", dont(f"{FOLDER}/untimed.py", "the request waited 2 minutes")],
    indirect=True,
)
def test_a_cache_that_hangs_is_not_waited_for(
    snippet: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    record_property: Any,
) -> None:
    async def from_database(*_: object) -> int:
        return 300

    async def ask() -> tuple[int, list[float]]:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()  # a name is looked up in a thread
        async with server, Redis(host=host, port=port) as cache:
            client = cache.connection_pool.connection_kwargs
            defaults = client["socket_timeout"], client["retry"].get_retries()
            assert defaults == (5, 10)
            major = importlib.metadata.version("redis").partition(".")[0]
            for figure in ("5", "10", "2", f"{major} of"):
                record_property("figure", figure)
            told = await snippet.total(cache, None, ANN)
            first = clock.now()
            await snippet.total(cache, None, ANN)
            return told, [first, clock.now() - first]

    monkeypatch.setattr(snippet, "read", from_database)
    told, took = clock.run(ask())
    assert told == 300
    assert caplog.text.count("no answer from the cache") == 4
    minutes = round(took[0] / 60)
    assert not minutes, f"the request waited {minutes} minutes"
    assert took == pytest.approx([2 * snippet.PATIENCE] * 2)


@pytest.mark.holds(
    "Before Python 3.12, asyncio.wait_for in place of asyncio.timeout can lose a cancellation: see Give every call a timeout.",
)
@pytest.mark.parametrize("waited", [False, True])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_a_request_that_is_cancelled_as_the_answer_comes(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, waited: bool
) -> None:
    async def other(question: Any) -> Any:
        return await asyncio.wait_for(question, snippet.PATIENCE)

    async def cancel(turns: int) -> bool:
        answer = asyncio.get_running_loop().create_future()

        async def question() -> Any:
            return await answer

        async def request_total() -> None:
            await snippet.ask(question())
            await clock.passed(1)  # the rest of the request

        request = asyncio.create_task(request_total())
        await clock.passed(0.01)  # it asks
        answer.set_result(b"300")
        for _ in range(turns):
            await asyncio.sleep(0)  # the answer comes nearer
        request.cancel()
        await asyncio.wait([request])
        return request.cancelled()

    if waited:
        monkeypatch.setattr(snippet, "ask", other)
    cancelled = [clock.run(cancel(turns)) for turns in range(4)]
    assert all(cancelled) == (not waited or sys.version_info >= (3, 12))


@pytest.mark.holds(
    "A question that is given up closes its connection, so no later question gets its answer.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_no_question_gets_the_answer_of_another(
    snippet: ModuleType, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def give_up() -> list[Any]:
        async with Redis.from_url(valkey) as cache, Redis.from_url(valkey) as other:
            await cache.flushall()
            first = await cache.client_id()
            with monkeypatch.context() as hasty:
                hasty.setattr(snippet, "PATIENCE", 0.01)
                assert await snippet.ask(cache.blpop("queue")) is None
            await other.rpush("queue", "late")
            return [await snippet.ask(cache.get("key")), await cache.client_id() != first]

    assert asyncio.run(give_up()) == [None, True]


MANY = 100


@pytest.mark.holds(
    "When a total expires, each request that comes before the next is stored asks the database.",
    "This is called a stampede: 100 requests make 100 queries.",
    "100 requests that miss at once make 1 query in each process.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gathered.py"], indirect=True)
def test_many_misses_make_one_query(
    snippet: ModuleType, database: str, valkey: str, record_property: Any
) -> None:
    aside = importlib.import_module("snippets.database.caching.aside")

    async def together(gathered: bool) -> int:
        async with shop(aside, database, valkey) as (cache, engine):
            queries = counted(engine)
            all_missed = asyncio.Barrier(MANY)
            real = aside.read

            async def read(*told: Any) -> int:
                if not gathered:
                    await all_missed.wait()
                return int(await real(*told))

            load = partial(aside.total, cache, engine)
            total = snippet.Gathered(load).total if gathered else load
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(aside, "read", read)
                patch.setattr(aside, "PATIENCE", 30.0)
                told = await asyncio.gather(*(total(ANN) for _ in range(MANY)))
            assert set(told) == {0}
            async with engine.begin() as connection:
                await connection.execute(text("DROP TABLE orders"))
            return len(queries)

    counts = [asyncio.run(together(gathered)) for gathered in (False, True)]
    assert counts == [100, 1]
    for count in counts:
        record_property("figure", str(count))


@pytest.mark.holds(
    "Look at running: a request that finds a query there awaits its result.",
    "asyncio.shield keeps a request that is cancelled from ending the query of the others.",
    "An error reaches each request that waits, and the next request asks again.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gathered.py"], indirect=True)
def test_who_shares_a_query(snippet: ModuleType) -> None:
    async def share() -> tuple[list[Any], int]:
        go, asked = asyncio.Event(), list[int]()

        async def load(user_id: int) -> int:
            asked.append(user_id)
            await go.wait()
            if len(asked) == 1:
                raise LookupError(user_id)
            return 300

        gathered, ended = snippet.Gathered(load), list[Any]()
        for _ in range(2):
            tasks = [asyncio.create_task(gathered.total(ANN)) for _ in range(3)]
            await asyncio.sleep(0)  # each begins
            tasks[0].cancel()
            await asyncio.sleep(0)  # it is cancelled
            assert list(gathered.running) == [ANN]
            go.set()
            ended += await asyncio.gather(*tasks, return_exceptions=True)
            go.clear()
            assert not gathered.running
        return ended, len(asked)

    ended, asked = clock.run(share())
    kinds = [type(each).__name__ for each in ended]
    assert kinds == ["CancelledError", "LookupError", "LookupError", "CancelledError", "int", "int"]
    assert asked == 2


@pytest.mark.holds(
    "A request that gives up leaves the query running, and the next request joins it.",
    "So the query has a timeout of its own: without LIMIT, each later request waits for a query that hangs.",
)
@pytest.mark.parametrize(("limited", "told"), [(True, 300), (False, None)])
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gathered.py"], indirect=True)
def test_a_query_that_hangs_ends(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, limited: bool, told: int | None
) -> None:
    async def ask() -> int | None:
        asked = list[int]()

        async def load(user_id: int) -> int:
            asked.append(user_id)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return 300

        gathered = snippet.Gathered(load)

        async def request() -> int | None:
            try:
                async with asyncio.timeout(0.6 * snippet.LIMIT):
                    return int(await gathered.total(ANN))
            except TimeoutError:
                return None

        first = await request(), len(gathered.running)
        joined = await request(), len(asked)
        assert (first, joined) == ((None, 1), (None, 1))
        return await request()

    if not limited:
        monkeypatch.setattr(snippet.Gathered, "limited", lambda self, user: self.load(user))
    assert clock.run(ask()) == told


CHECKS = ("check_expiry", "check_order", "check_users")


@pytest.mark.holds(
    "check_expiry is red on unexpiring.py, check_order on early.py, and check_users on shared.py.",
    "All are green on aside.py, and on untimed.py too: none of them sees a cache that hangs.",
)
@pytest.mark.proves(f"{FOLDER}/checked.py")
def test_what_each_check_sees(valkey: str, database: str) -> None:
    said = {
        ("unexpiring", "check_expiry"): "a key has no expiry",
        ("early", "check_order"): "the total is 100",
        ("shared", "check_users"): "totals: [100, 100]",
    }

    async def run(name: str, check: str) -> str:
        module = importlib.import_module(f"snippets.database.caching.{name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PATIENCE", 30.0, raising=False)
            async with shop(module, database, valkey) as (cache, engine):
                mine = SimpleNamespace(
                    place_order=partial(module.place_order, cache, engine),
                    total=partial(module.total, cache, engine),
                )
                more = () if check == "check_users" else (cache,)
                try:
                    await getattr(CHECKED, check)(mine, *more)
                except AssertionError as error:
                    return str(error).partition("\n")[0]
                finally:
                    async with engine.begin() as connection:
                        await connection.execute(text("DROP TABLE orders"))
        return ""

    for path in ALL:
        for check in CHECKS:
            name = Path(path).stem
            found = asyncio.run(run(name, check))
            assert found == said.get((name, check), ""), (name, check)


@pytest.mark.holds(
    "A request that joins a query can miss an order that was committed after that query began.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/gathered.py"], indirect=True)
def test_a_shared_query_is_as_old_as_its_beginning(snippet: ModuleType) -> None:
    async def join() -> list[int]:
        go, cents = asyncio.Event(), [100]

        async def load(_: int) -> int:
            found = cents[-1]
            await go.wait()
            return found

        gathered = snippet.Gathered(load)
        first = asyncio.create_task(gathered.total(ANN))
        await asyncio.sleep(0)  # it is created
        await asyncio.sleep(0)  # its query begins
        cents.append(300)
        joined = asyncio.create_task(gathered.total(ANN))
        await asyncio.sleep(0)  # it joins
        go.set()
        return [await first, await joined, await gathered.total(ANN)]

    assert clock.run(join()) == [100, 100, 300]


@pytest.mark.holds("total stores nothing if the database fails.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/aside.py"], indirect=True)
def test_an_error_is_not_kept(snippet: ModuleType, database: str, valkey: str) -> None:
    async def fail() -> list[bytes]:
        async with shop(snippet, database, valkey) as (cache, engine):
            async with engine.begin() as connection:
                await connection.execute(text("DROP TABLE orders"))
            with pytest.raises(ProgrammingError, match="does not exist"):
                await snippet.total(cache, engine, ANN)
            return list(await cache.keys())

    assert asyncio.run(fail()) == []


@pytest.mark.holds(
    "A test with one user is green, and no linter sees that a user or an expiry is missing.",
)
@pytest.mark.parametrize("snippet", ALL[1:4], indirect=True)
def test_no_rule_sees_it(snippet: ModuleType) -> None:
    dont = Path(str(snippet.__file__))
    assert not rules.found_only_in(dont, dont.with_name("aside.py"))


@pytest.mark.holds(
    "The service stores the fields of a user that it shows, and not the digest of a secret that it sent.",
    "A value that another release stored with other fields is a miss.",
    "The service's use case asks the cache first, and stores what it read from the database:",
)
@pytest.mark.service(
    "tests/test_cache_format.py::test_what_this_release_keeps_is_read",
    "tests/test_cache_format.py::test_what_another_release_keeps_is_a_miss",
    "tests/test_cache.py::test_a_read_comes_from_the_cache",
)
@pytest.mark.proves("service/src/accounts/services/user_service.py")
def test_what_the_service_keeps(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "Keep the newer of two versions",
    "The service stores the version of a user's row beside the user, and the cache refuses an older version while it has the newer one.",
    "So the late reader of the race changes nothing, unless the cache lost the newer one:",
    "After a change the service stores the new user instead of deleting the old one.",
    "If the cache misses a change, the process tells it again, and reads the user from the database until then.",
    "Another process may read the old user until the cache is told or the value expires.",
)
@pytest.mark.service(
    "tests/test_cache.py::test_an_older_user_never_replaces_a_newer_one",
    "tests/test_cache.py::test_a_cache_that_lost_a_user_takes_an_older_one",
    "tests/test_cache.py::test_a_change_is_read_at_once",
    "tests/test_cache.py::test_a_cache_of_no_seconds_keeps_nothing",
    "tests/test_cache_away.py::test_a_change_that_the_cache_missed_is_told_later",
    "tests/test_cache_away.py::test_until_it_is_told_another_process_reads_the_old_value",
)
@pytest.mark.proves("service/src/accounts/cache.py")
@pytest.mark.proves("service/tests/test_cache.py")
def test_the_service_keeps_the_newer(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "After a silence, the service asks the cache nothing for REST seconds, and reads from the database:",
    "Of many questions at once, AT_ONCE wait for the silent cache, and the others give up with them.",
)
@pytest.mark.service(
    "tests/test_cache.py::test_a_cache_that_does_not_answer_is_left_alone",
    "tests/test_cache_away.py::test_a_silence_is_not_waited_for_twice",
    "tests/test_outage.py::TestUncached",
)
@pytest.mark.proves("service/src/accounts/cache.py")
def test_the_service_leaves_a_silent_cache_alone(service: Callable[[], None]) -> None:
    service()
