"""What the page on retries claims."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import tenacity
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.engine.pages import SNIPPETS
from tests.parts import clock
from tests.parts.server import beside

FOLDER = "design/retries"
SOURCE = SNIPPETS / "service/src/accounts"
TESTS = "tests/test_idempotency.py"
HOLD = (
    "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$",
    "CREATE TRIGGER hold BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hold()",
    "SELECT pg_advisory_lock(1)",
)
RELEASE = text("SELECT pg_advisory_unlock(1)")
WAITING = text(
    "SELECT pid FROM pg_locks WHERE NOT granted AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)
END = text("SELECT pg_terminate_backend(:pid, 60000)")
COUNT = text("SELECT count(*) FROM orders")


INSTRUCTIONS = [
    "Let a client send a request again safely",
    "Store the key of a request in the transaction of its change, and send a change again only with its key.",
    "If you don't know whether a request came through, send it again with its key, before the server forgets the key.",
    "Install sqlalchemy[asyncio] and asyncpg.",
    "Don't look before you store",
    "Don't store the key on its own",
    "Send it again with the same key",
    "Install aiohttp, pydantic and tenacity, and give the client a timeout of 5 seconds for each try.",
    "Make the key, such as a uuid.uuid4, with what the user wants: when the form is opened, or the job is stored.",
    "Don't retry without a key",
    "Create a table of keys with a migration, in the database of the data.",
    "Read the key in a dependency, and refuse what is short, long, malformed or sent twice.",
    "Take the key as the first statement of the use case's transaction.",
    "Store what the answer needs beside the key, and a digest of the request.",
    "Give a call to another service, such as a payment, a key too: a rollback doesn't undo it.",
    "Delete old keys with a periodic job, some at a time.",
    "Take the key where the change is made",
    "Delete old keys some at a time",
    "Send one request twice, one after the other and both at once.",
]


JUDGEMENTS = [
    "We call the name that a client gives to a request, and sends with each try, its idempotency key.",
    "We prefer to let the second request wait, as it then needs no third.",
]


@asynccontextmanager
async def orders(snippet: ModuleType, database: str) -> AsyncIterator[tuple[AsyncEngine, Any]]:
    """The snippet's tables, and a connection that holds what wants to insert an order."""
    engine = create_async_engine(database)
    try:
        async with engine.connect() as holder:
            await holder.execution_options(isolation_level="AUTOCOMMIT")
            for table in ("KEYS", "ORDERS"):
                if hasattr(snippet, table):
                    await holder.execute(getattr(snippet, table))
            for statement in HOLD:
                await holder.execute(text(statement))
            yield engine, holder
    finally:
        await engine.dispose()


async def waiting(holder: Any, number: int) -> list[int]:
    """Return the processes of the database that wait for a lock, once there are so many."""
    while len(found := list(await holder.scalars(WAITING))) < number:  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(clock.POLL)  # it sends no event; the time decides nothing
    return found


LOOKED = pytest.param(
    f"{FOLDER}/looked.py",
    marks=pytest.mark.xfail(  # nothing keeps both from storing
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="both store an order"),
    ),
)


@pytest.mark.holds(
    "Of two requests at once, the second waits in the database until the first is committed.",
    "Two requests at once both find nothing, and both store an order.",
    "This version looks for the key, and stores the order if it finds none.",
    "Look at UNIQUE: the database takes each key of a user once.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/once.py", LOOKED], indirect=True)
def test_two_at_once_store_one_order(
    snippet: ModuleType, database: str, record_property: Any
) -> None:
    async def two() -> tuple[list[int], int]:
        async with orders(snippet, database) as (engine, holder):
            both = [
                asyncio.create_task(snippet.place_order(engine, 1, "key", "book")) for _ in range(2)
            ]
            await waiting(holder, 2)
            how = "fails" if any(task.done() for task in both) else "waits"
            record_property("says", f"the second {how} in the database until the first is")
            await holder.execute(RELEASE)
            return await asyncio.gather(*both), await holder.scalar(COUNT)

    numbers, count = asyncio.run(two())
    assert count == 1, "both store an order"
    assert numbers[0] == numbers[1]


@pytest.mark.holds(
    "At the level REPEATABLE READ the second fails instead: try its whole transaction again.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/once.py"], indirect=True)
def test_a_snapshot_does_not_see_the_first(snippet: ModuleType, database: str) -> None:
    async def two() -> tuple[list[int], list[Exception], int]:
        async with orders(snippet, database) as (engine, holder):
            strict = engine.execution_options(isolation_level="REPEATABLE READ")
            both = [
                asyncio.create_task(snippet.place_order(strict, 1, "key", "book")) for _ in range(2)
            ]
            await waiting(holder, 2)
            await holder.execute(RELEASE)
            ends = await asyncio.gather(*both, return_exceptions=True)
            again = await snippet.place_order(strict, 1, "key", "book")
            assert await holder.scalar(COUNT) == 1
            numbers = [end for end in ends if isinstance(end, int)]
            return numbers, [end for end in ends if isinstance(end, Exception)], again

    ((number,), (error,), again) = asyncio.run(two())
    assert "could not serialize access" in str(error)
    assert again == number


@pytest.mark.holds(
    "Each request that waits holds a connection, so many with one key can take the whole pool.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/once.py"], indirect=True)
def test_those_that_wait_take_the_pool(snippet: ModuleType, database: str) -> None:
    async def crowd() -> list[int]:
        async with orders(snippet, database) as (engine, holder):
            small = create_async_engine(
                engine.url, pool_size=3, max_overflow=0, pool_timeout=0.01
            )  # nobody gives a connection back meanwhile
            tasks = [
                asyncio.create_task(snippet.place_order(small, 1, "key", "book")) for _ in range(3)
            ]
            await waiting(holder, 3)
            with pytest.raises(PoolTimeoutError):
                await snippet.place_order(small, 1, "another", "pen")
            await holder.execute(RELEASE)
            numbers = await asyncio.gather(*tasks)
            await small.dispose()
            return numbers

    assert len(set(asyncio.run(crowd()))) == 1


APART = pytest.param(
    f"{FOLDER}/apart.py",
    marks=pytest.mark.xfail(  # the key is committed, and no order
        strict=True, raises=pytest.RaisesExc(NoResultFound, match="No row was found")
    ),
)


@pytest.mark.holds(
    "A process that dies before the commit leaves nothing, and the next try stores the order.",
    "This version commits the key first, and then stores the order.",
    "The process died between the two: the key is taken, and no try stores the order.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/once.py", APART], indirect=True)
def test_a_crash_leaves_nothing(snippet: ModuleType, database: str) -> None:
    async def crash() -> int:
        async with orders(snippet, database) as (engine, holder):
            first = asyncio.create_task(snippet.place_order(engine, 1, "key", "book"))
            (pid,) = await waiting(holder, 1)
            await holder.execute(END, {"pid": pid})
            with pytest.raises(DBAPIError):
                await first
            assert await holder.scalar(COUNT) == 0
            await holder.execute(RELEASE)
            await snippet.place_order(engine, 1, "key", "book")
            return int(await holder.scalar(COUNT))

    assert asyncio.run(crash()) == 1


@pytest.mark.holds(
    "The same key stores one order, and gives the same number each time.",
    "The key of another order raises ValueError.",
    "A test that sends one request after the other passes.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/{name}.py" for name in ("once", "looked", "apart")], indirect=True
)
def test_one_after_the_other(snippet: ModuleType, database: str) -> None:
    async def twice() -> tuple[list[int], int]:
        async with orders(snippet, database) as (engine, holder):
            await holder.execute(RELEASE)
            numbers = [await snippet.place_order(engine, 1, "key", "book") for _ in range(2)]
            with pytest.raises(ValueError, match="key"):
                await snippet.place_order(engine, 1, "key", "pen")
            other = await snippet.place_order(engine, 1, "another", "pen")
            assert other != numbers[0]
            return numbers, await holder.scalar(COUNT)

    (first, again), count = asyncio.run(twice())
    assert (first, count) == (again, 2)


@pytest.mark.holds(
    "Take the user from the token of the request, or one user gets the order of another who sends the same key.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/once.py"], indirect=True)
def test_a_key_belongs_to_its_user(snippet: ModuleType, database: str) -> None:
    async def two_users() -> set[int]:
        async with orders(snippet, database) as (engine, holder):
            await holder.execute(RELEASE)
            return {await snippet.place_order(engine, user, "key", "book") for user in (1, 2)}

    assert len(asyncio.run(two_users())) == 2, "both users get one order"


async def half() -> AsyncIterator[bytes]:
    """Begin an answer and end the connection."""
    yield b'{"id"'
    raise ConnectionError


class Shop:
    """A service that stores orders by their keys, and may lose answers."""

    def __init__(
        self, lost: int = 0, status: int = 201, after: str = "", *, cut: bool = False
    ) -> None:
        self.placed, self.keys = list[str](), dict[str, int]()
        self.times = list[float]()
        self.app, self.lost, self.status, self.after = FastAPI(), lost, status, after
        self.cut = cut
        self.app.post("/orders", status_code=201, response_model=None)(self.place)

    async def place(
        self, request: Request, idempotency_key: str | None = Header(None)
    ) -> dict[str, int] | StreamingResponse:
        """Store an order, unless its key is known."""
        self.times.append(clock.now())
        if self.status != 201:
            told = {"Retry-After": self.after} if self.after else None
            raise HTTPException(self.status, headers=told)
        key = (idempotency_key or f"none {len(self.placed)}").strip('"')
        if key not in self.keys:
            self.placed.append((await request.json())["item"])
            self.keys[key] = len(self.placed)
        if len(self.times) <= self.lost and self.cut:
            return StreamingResponse(half(), 201)
        if len(self.times) <= self.lost:
            await asyncio.Event().wait()
        return {"id": self.keys[key]}


def order(snippet: ModuleType, shop: Shop, key: str = "5f9c") -> int:
    """Order a book of a shop, with a client that waits 5 seconds for an answer."""

    async def place() -> int:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            beside(shop.app) as server,
            aiohttp.ClientSession(server.url, timeout=timeout) as client,
        ):
            return int(await snippet.place_order(client, "book", key))

    return clock.run(place())


KEYLESS = pytest.param(
    f"{FOLDER}/keyless.py",
    marks=pytest.mark.xfail(  # to the server, each try is another order
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="the customer gets two"),
    ),
)


@pytest.mark.holds(
    "A client orders a book, waits 5 seconds, and gets a timeout.",
    "A client that sends the order again may buy two books.",
    "The answer to the first try is lost or cut, and the second try gets the number of the same order.",
    "The server stored the order at each try.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py", KEYLESS], indirect=True)
@pytest.mark.parametrize(("cut", "timeout"), [(False, 5), (True, 0)])
def test_a_lost_answer_costs_no_second_order(snippet: ModuleType, cut: bool, timeout: int) -> None:
    shop = Shop(lost=1, cut=cut)
    number = order(snippet, shop)
    assert len(shop.times) == 2, "two tries"
    waited = shop.times[1] - shop.times[0]
    assert timeout <= waited < timeout + 0.2 + 0.1, "the timeout, and a short wait"
    assert shop.placed == ["book"], "the customer gets two"
    assert number == 1


@pytest.mark.holds(
    "Keep it there until an answer comes: place_order raises after its last try, and the user's second click needs the same key.",
    "The header has the key in quotes, as the draft says; the server takes them off before it stores the key.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py"], indirect=True)
def test_a_second_click_with_the_key_buys_no_second_book(snippet: ModuleType) -> None:
    shop = Shop(lost=4)
    with pytest.raises(TimeoutError):
        order(snippet, shop)
    assert shop.placed == ["book"]
    shop.lost, shop.times = 0, []
    assert (order(snippet, shop), shop.placed) == (1, ["book"])
    assert list(shop.keys) == ["5f9c"]
    assert (order(snippet, shop, "another"), len(shop.placed)) == (2, 2)


@pytest.mark.holds("A test whose server answers in time passes.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/keyless.py"], indirect=True)
def test_without_a_key_it_works_in_time(snippet: ModuleType) -> None:
    shop = Shop()
    assert (order(snippet, shop), shop.placed) == (1, ["book"])


@pytest.mark.holds(
    "The order is stored or it isn't: after a timeout the result is unknown.",
    "The caller sees the same timeout, whether the order is stored or not.",
    "Only the server knows which one it is, so the key belongs there, beside the change.",
)
@pytest.mark.parametrize("arrives", [True, False])
def test_both_look_the_same_to_the_caller(arrives: bool) -> None:
    async def give_up() -> str:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            beside(shop.app) as server,
            aiohttp.ClientSession(server.url, timeout=timeout) as client,
        ):
            with pytest.raises(TimeoutError) as raised:
                await client.post("/orders" if arrives else "/silent", json={"item": "book"})
            return repr(raised.value)

    async def silent() -> None:
        await asyncio.Event().wait()

    shop = Shop(lost=1)
    shop.app.post("/silent")(silent)
    assert (clock.run(give_up()), shop.placed) == ("TimeoutError()", ["book"] * arrives)


SAID = {
    503: "sends the request {times} times at most",
    422: "An answer such as {status} is raised at once",
    500: "A {status} is raised at once too",
    409: "So is a {status}: add it",
}


@pytest.mark.holds(
    "tenacity sends the request 4 times at most, and asyncio.timeout ends all of it after 20 seconds.",
    "An answer such as 422 is raised at once, as the same request would get it again.",
    "A 500 is raised at once too, and doesn't tell whether the order is stored.",
    "So is a 409: add it to passes where the server answers so while the first request runs.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/retrying.py", f"{FOLDER}/keyless.py"], indirect=True
)
@pytest.mark.parametrize(("status", "tries"), [(503, 4), (429, 4), (422, 1), (500, 1), (409, 1)])
def test_tries_are_limited(
    snippet: ModuleType, status: int, tries: int, record_property: Any
) -> None:
    record_property("figure", str(status))
    shop = Shop(status=status)
    with pytest.raises(aiohttp.ClientResponseError) as raised:
        order(snippet, shop)
    assert (raised.value.status, len(shop.times)) == (status, tries)
    if told := SAID.get(status):
        record_property("says", told.format(status=status, times=len(shop.times)))
    assert snippet.passes(raised.value) == (tries > 1)


@pytest.mark.holds(
    "tenacity sends the request 4 times at most, and asyncio.timeout ends all of it after 20 seconds.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py"], indirect=True)
def test_all_tries_have_an_end(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    async def hang(*_: object) -> int:
        await asyncio.Event().wait()
        return 0

    async def end() -> float:
        with pytest.raises(TimeoutError):
            await snippet.place_order(None, "book", "key")
        return clock.now()

    monkeypatch.setattr(snippet, "send", hang)
    limit = clock.run(end())
    assert limit == pytest.approx(20)
    record_property("says", f"asyncio.timeout ends all of it after {limit:.0f} seconds")


def waits(strategy: Any, tries: int) -> list[float]:
    """Return how long a strategy waits after each of some tries."""
    state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # no more is read
    state.set_exception((TimeoutError, TimeoutError(), None))
    found = []
    for state.attempt_number in range(1, tries + 1):
        found.append(float(strategy(state)))
    return found


@pytest.mark.holds(
    "Each wait is what the answer's Retry-After says in seconds, and a random part below a limit that doubles with each try, up to 2 seconds.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py"], indirect=True)
def test_waits_are_random_and_bounded(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = snippet.send.retry.wait
    assert len({waits(strategy, 1)[0] for _ in range(50)}) == 50
    monkeypatch.setattr("tenacity.wait.random.uniform", lambda low, high: high - low)
    assert waits(strategy, 6) == pytest.approx([0.2, 0.4, 0.8, 1.6, 2, 2])


@pytest.mark.holds(
    "Each wait is what the answer's Retry-After says in seconds, and a random part below a limit that doubles with each try, up to 2 seconds.",
    "A Retry-After that is a date counts as none, and a wait that goes beyond the 20 seconds ends in TimeoutError.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/retrying.py", f"{FOLDER}/keyless.py"], indirect=True
)
@pytest.mark.parametrize(
    ("asks", "least", "most"),
    [("3", 3, 5), ("0", 0, 2), ("Wed, 21 Oct 2099 07:28:00 GMT", 0, 2), ("-3", 0, 2)],
)
def test_the_client_waits_as_long_as_it_is_told(
    snippet: ModuleType, asks: str, least: float, most: float
) -> None:
    shop = Shop(status=503, after=asks)
    with pytest.raises(aiohttp.ClientResponseError):
        order(snippet, shop)
    waited = [later - earlier for earlier, later in itertools.pairwise(shop.times)]
    assert len(waited) == 3
    assert all(least <= wait < most + 0.1 for wait in waited), waited
    shop = Shop(status=503, after="60")
    with pytest.raises(TimeoutError):
        order(snippet, shop)
    assert len(shop.times) == 1


@pytest.mark.holds("With fixed waits, clients that failed together come back together.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py"], indirect=True)
def test_fixed_waits_keep_clients_together(snippet: ModuleType) -> None:
    fixed = tenacity.wait_exponential(multiplier=0.2, max=2)
    together, apart = (
        {tuple(waits(strategy, 3)) for _ in range(50)}
        for strategy in (fixed, snippet.send.retry.wait)
    )
    assert (len(together), len(apart)) == (1, 50)


@pytest.mark.holds("Retry in one layer: 3 layers with 4 tries each send 64 requests.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/retrying.py"], indirect=True)
def test_layers_multiply_tries(snippet: ModuleType, record_property: Any) -> None:
    sent = itertools.count(1)
    stop = snippet.send.retry.stop

    async def send() -> None:
        next(sent)
        raise TimeoutError

    layered: Any = send
    layers = "gateway", "service", "client"
    for _ in layers:
        layered = tenacity.retry(stop=stop, reraise=True)(layered)
    with pytest.raises(TimeoutError):
        asyncio.run(layered())
    requests = next(sent) - 1
    assert requests == 64
    record_property("figure", f"{len(layers)} layers")
    record_property("figure", f"{stop.max_attempt_number} tries")
    record_property("figure", f"{requests} requests")


REPOSITORY = "service/src/accounts/repositories/idempotency_repository.py"


@pytest.mark.holds(
    "The service stores users, which change after the first answer, so it keeps keys in a table of their own.",
    "Its repository has this method, which inserts a key or locks the row that has it:",
    "A server that is killed before the commit leaves no user, no message and no key.",
    "An answer that was lost is given again, word for word, even if the user changed meanwhile.",
    "A request that was refused leaves its key free.",
    "With another body, the key is answered 422, as the draft of the IETF says.",
    "Those that wait in one process of the service hold one connection together.",
    "A second request that waits too long is answered 503, and may come again.",
)
@pytest.mark.service(
    f"{TESTS}::test_a_crash_before_the_commit_leaves_nothing_and_the_key_is_free",
    f"{TESTS}::test_an_answer_that_was_lost_after_the_commit_is_given_again",
    f"{TESTS}::test_the_answer_is_that_of_the_first_time",
    f"{TESTS}::test_a_refused_request_leaves_its_key_free",
    f"{TESTS}::test_a_key_of_another_request_is_refused[email]",
    f"{TESTS}::test_those_that_wait_in_one_process_hold_one_connection",
    f"{TESTS}::test_who_waits_too_long_for_the_first_may_ask_again[settings0]",
)
@pytest.mark.proves(REPOSITORY)
def test_the_service_takes_a_key_once(service: Callable[[], None], record_property: Any) -> None:
    service()
    told = (SNIPPETS / "service" / TESTS).read_text()
    for name, case in {
        "a_key_of_another_request_is": "With another body, the key",
        "who_waits_too_long": "A second request that waits too long",
    }.items():
        body = told.partition(f"def test_{name}")[2]
        status = re.findall(r"status_code(?:, .*)? == \(?(\d+)", body)[0]
        record_property("figure", status)
        record_property("says", f"{case} is answered {status}")


@pytest.mark.holds(
    "The service deletes keys that are older than a day, and a request whose key is gone is a new one:",
    "The scheduler does so once an hour, in parts, and each part in a transaction of its own.",
)
@pytest.mark.service(
    f"{TESTS}::test_keys_that_are_old_are_forgotten_and_no_others",
    f"{TESTS}::test_many_keys_are_forgotten_in_parts",
    f"{TESTS}::test_a_scheduler_forgets_users_and_keys",
)
@pytest.mark.proves(REPOSITORY)
def test_the_service_forgets_keys(service: Callable[[], None]) -> None:
    service()
    told = (SOURCE / "config.py").read_text()
    assert re.search(r"idempotency_seconds: float = Field\(default=86_400\.0,", told)
    scheduler = (SOURCE / "scheduler.py").read_text()
    assert int(re.findall(r"^BATCH = (\d+)$", scheduler, re.MULTILINE)[0]) == 1_000
    assert "EVERY = timedelta(hours=1)" in scheduler


@pytest.mark.holds(
    "The service has these tests:",
    "The second test starts the second request when the first one has written all and committed nothing.",
)
@pytest.mark.service(
    f"{TESTS}::test_a_key_that_comes_twice_gets_the_same_answer_and_one_user",
    f"{TESTS}::test_the_second_of_two_at_once_waits_for_the_answer_of_the_first",
)
@pytest.mark.proves("service/tests/test_idempotency.py")
def test_the_service_is_sent_two_at_once(service: Callable[[], None]) -> None:
    service()
