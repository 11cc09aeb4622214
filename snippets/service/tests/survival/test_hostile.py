"""Hostile requests on a server that runs: each is answered, logged once, and undone."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from accounts.tokens import READ, WRITE
from dev import processes
from tests.conftest import OPERATOR, bearer
from tests.survival.conftest import Environment, Server, query, serving
from tests.test_handlers import MALFORMED
from tests.test_spelling import BODIES, ELSEWHERE, IDS, JSON, NAMES, QUERIES, USER
from tests.test_tokens import WRONG

RANDOM, HAND_MADE, AT_ONCE = 1000, 200, 8
REFUSED = {400, 401, 403, 404, 405, 409, 413, 422}


@dataclass
class Hostile:
    """A request, and which statuses are right."""

    method: str
    path: str
    right: set[int]
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(OPERATOR))

    def written(self, name: str) -> bytes:
        """Return what goes over the wire."""
        told = {
            "Host": "a",
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "X-Request-ID": name,
            **self.headers,
        }
        lines = [f"{header}: {value}" for header, value in told.items()]
        return (
            "\r\n".join(
                [f"{self.method} {self.path} HTTP/1.1", *lines, "", ""]
            ).encode()
            + self.body
        )


# --8<-- [start:hand_made]
def hand_made() -> Iterator[Hostile]:
    """Give requests that were thought of."""
    for user_id in IDS:
        for method in ("GET", "PATCH"):
            yield Hostile(method, f"/users/{user_id}", {404, 422}, b"{}")
        verify = f"/users/{user_id}/verification"
        yield Hostile("POST", verify, {404, 422}, b'{"token": "a"}')
    yield from (Hostile("GET", f"/users?{told}", {422}) for told in QUERIES)
    yield from (Hostile("GET", path, {404}) for path in ELSEWHERE)
    for name in NAMES.values():
        body = json.dumps({"email": "s3cret@example.org", "display_name": name})
        yield Hostile("POST", "/users", {422}, body.encode())
        yield Hostile("PATCH", "/users/1", {422}, body.encode())
    for malformed, right in MALFORMED.values():
        encoded = malformed if isinstance(malformed, bytes) else malformed.encode()
        yield Hostile("POST", "/users", {right}, encoded)
    for twisted in BODIES.values():
        encoded = twisted if isinstance(twisted, bytes) else twisted.encode()
        yield Hostile("POST", "/users", {422}, encoded)
    for token in WRONG.values():
        if token.isascii():
            headers = {"Authorization": f"Bearer {token}"}
            yield Hostile("GET", "/me", {401}, headers=headers)
    for method in ("PUT", "DELETE", "PROPFIND", "CONNECT", "get"):
        for path in ("/users", "/users/1", "/me", "/metrics"):
            yield Hostile(method, path, {405})
    for headers in ({}, bearer(2), bearer(2, WRITE, READ.upper())):
        for path in ("/users", "/users/1", "/users/events"):
            yield Hostile("GET", path, {401, 403}, headers=headers)


# --8<-- [end:hand_made]


# --8<-- [start:random]
def at_random(some: random.Random) -> Hostile:
    """Return a request that nobody thought of."""
    letters = "aZ09/.-_~!$&'()*+,;=:@%?#[]{}|^`\"\\<>"
    junk = "".join(some.choices(letters, k=some.randrange(40)))
    number = str(some.choice([-1, 0, 1, 2, 2**31, 2**63, 10**30, some.random()]))
    path = some.choice(
        [
            *["/users", "/me", f"/users/{number}", f"/users?limit={number}"],
            *[f"/users?after={number}&{junk}", f"/users/{junk}", f"/{junk}"],
        ]
    )
    values: list[object] = [
        None,
        True,
        [],
        {},
        number,
        junk,
        1,
        "a@example.org",
        "é\u200b",
        "x" * 300,
    ]
    fields = ["email", "display_name", "id", junk]
    body = json.dumps({name: some.choice(values) for name in some.sample(fields, 2)})
    cut = body.encode()[: some.choice([0, 5, 1000])] + some.randbytes(
        some.choice([0, 3])
    )
    token = some.choice([OPERATOR, OPERATOR, {}, {"Authorization": f"Bearer {junk}"}])
    method = some.choice(["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    return Hostile(method, path, REFUSED | {200, 201}, cut, dict(token))


# --8<-- [end:random]


async def send(server: Server, name: str, request: Hostile) -> int:
    """Send a request over a connection of its own; return the status."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.written(name))
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def send_all(server: Server, requests: dict[str, Hostile]) -> dict[str, int]:
    """Send requests, some at once; return the statuses."""
    places, statuses = asyncio.Semaphore(AT_ONCE), dict[str, int]()

    async def one(name: str, request: Hostile) -> None:
        async with places:
            statuses[name] = await send(server, name, request)

    await asyncio.gather(*(one(name, told) for name, told in requests.items()))
    return statuses


# --8<-- [start:hostile]
def test_what_is_hostile_is_answered_logged_once_and_changes_nothing(
    environment: Environment, tmp_path: Path
) -> None:
    thought_of, some = list(hand_made()), random.Random(7)  # noqa: S311  no secret
    assert len(thought_of) >= HAND_MADE
    everything = [*thought_of, *(at_random(some) for _ in range(RANDOM))]
    requests = {f"hostile-{number}": told for number, told in enumerate(everything)}
    with serving(processes.uvicorn, environment, tmp_path) as server:
        with server.client() as client:
            assert client.post("/users", content=USER, headers=JSON).status_code == 201
            before = client.get("/users/1").json()
        statuses = asyncio.run(send_all(server, requests))
        with server.client() as client:
            assert client.get("/users/1").json() == before
    wrong = {
        name: (statuses[name], told)
        for name, told in requests.items()
        if statuses[name] not in told.right
    }
    assert wrong == {}
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    logged = Counter(
        (line["request_id"], line["status"])
        for line in lines
        if str(line.get("request_id")).startswith("hostile")
        and line["event"] == "request"
    )
    unlogged = {
        name for name, status in statuses.items() if (name, status) not in logged
    }
    assert {statuses[name] for name in unlogged} <= {400}  # what is no HTTP
    assert len(unlogged) < RANDOM // 2
    assert max(logged.values()) == 1
    created = 1 + list(statuses.values()).count(201)
    welcomes = "SELECT count(*) FROM outbox WHERE task = 'welcome'"
    for counting in ("SELECT count(*) FROM users", welcomes):
        count = asyncio.run(query(environment["DATABASE_URL"], counting))
        assert count == created
    hidden = ["s3cret", "@example.org", environment["TOKEN_KEY"], "eyJ"]
    assert [one for one in hidden if one in log] == []


# --8<-- [end:hostile]
