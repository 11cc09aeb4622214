"""What a client sees of each endpoint."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from httpx2 import AsyncClient

from accounts import tokens
from accounts.config import ServerSettings
from tests.fixtures.sample_data import ANN, BOB


async def create(client: AsyncClient, user: dict[str, str]) -> int:
    """Create a user and return its id."""
    answer = await client.post("/users", json=user)
    assert answer.status_code == 201, answer.text
    user_id: int = answer.json()["id"]
    return user_id


# --8<-- [start:read_back]
async def test_a_created_user_can_be_read(client: AsyncClient) -> None:
    created = await client.post("/users", json=ANN)
    assert created.status_code == 201
    read = await client.get(f"/users/{created.json()['id']}")
    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.json().keys() == {"id", "created_at", "verified", *ANN}


# --8<-- [end:read_back]


async def test_an_address_belongs_to_one_user_whatever_its_case(
    client: AsyncClient,
) -> None:
    await create(client, ANN)
    again = await client.post("/users", json={**ANN, "email": ANN["email"].upper()})
    assert (again.status_code, again.json()) == (
        409,
        {"detail": "E-mail address taken"},
    )


async def test_of_two_users_at_once_one_gets_the_address(client: AsyncClient) -> None:
    both = await asyncio.gather(*(client.post("/users", json=ANN) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [201, 409]


@pytest.mark.parametrize("user_id", [1, 2**63 - 1])
async def test_an_unknown_user_is_not_found(client: AsyncClient, user_id: int) -> None:
    for answer in (
        await client.get(f"/users/{user_id}"),
        await client.patch(f"/users/{user_id}", json={}),
    ):
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": "User not found"},
        )


async def test_users_are_listed_page_by_page(client: AsyncClient) -> None:
    ids = [
        await create(client, {**ANN, "email": f"ann{number}@example.org"})
        for number in range(5)
    ]
    seen, after = list[int](), 0
    for expected in (2, 2, 1):
        params = {"limit": "2", "after": str(after)}
        page = (await client.get("/users", params=params)).json()
        assert len(page["users"]) == expected
        seen += [user["id"] for user in page["users"]]
        after = page["next_after"]
    assert seen == ids
    assert after is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "after=-1", f"after={2**63}"]
)
async def test_a_page_is_bounded(client: AsyncClient, query: str) -> None:
    assert (await client.get(f"/users?{query}")).status_code == 422


# --8<-- [start:partial]
async def test_a_change_leaves_alone_what_it_does_not_name(client: AsyncClient) -> None:
    user_id = await create(client, ANN)
    changed = await client.patch(f"/users/{user_id}", json={"display_name": "Anna"})
    assert changed.status_code == 200
    read = (await client.get(f"/users/{user_id}")).json()
    assert read == changed.json()
    assert (read["email"], read["display_name"]) == (ANN["email"], "Anna")


# --8<-- [end:partial]


async def test_a_change_can_be_refused(client: AsyncClient) -> None:
    await create(client, ANN)
    user_id = await create(client, BOB)
    taken = await client.patch(f"/users/{user_id}", json={"email": ANN["email"]})
    assert taken.status_code == 409
    for change in (
        {"email": None},
        {"display_name": ""},
        {"id": 7},
        {"is_admin": True},
    ):
        refused = await client.patch(f"/users/{user_id}", json=change)
        assert refused.status_code == 422, change
    assert (await client.get(f"/users/{user_id}")).json()["email"] == BOB["email"]


async def test_me_is_the_user_of_the_token(
    client: AsyncClient, settings: ServerSettings
) -> None:
    user_id = await create(client, ANN)
    token = tokens.issue(settings, user_id, timedelta(minutes=1))
    me = await client.get("/me", headers={"Authorization": f"Bearer {token}"})
    assert (me.status_code, me.json()["id"]) == (200, user_id)


MALFORMED: dict[str, tuple[str | bytes, int]] = {
    "no JSON": ('{"email": ', 422),
    "no object": ("[]", 422),
    "no body": ("", 422),
    "a number": ('{"email": "ann@example.org", "display_name": 7}', 422),
    "no address": ('{"email": "ann", "display_name": "Ann"}', 422),
    "a NUL": ('{"email": "ann@example.org", "display_name": "A\\u0000"}', 422),
    "half a character": (
        '{"email": "ann@example.org", "display_name": "\\ud800"}',
        422,
    ),
    "an unknown field": (
        '{"email": "a@example.org", "display_name": "A", "id": 7}',
        422,
    ),
    "NaN": ('{"email": NaN, "display_name": "A"}', 422),
    "too deep": ("[" * 20_000, 400),
    "no text": (b"\xff\xfe", 422),
    "too large": ('"' + "a" * 70_000 + '"', 413),
}


@pytest.mark.parametrize(("body", "status"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_body_is_the_clients_fault(
    client: AsyncClient, body: str | bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/users", content=body, headers=headers)
    assert answer.status_code == status
    assert "aaaa" not in answer.text


async def test_a_body_whose_length_is_not_announced_is_bounded_too(
    client: AsyncClient,
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 10_000

    answer = await client.post("/users", content=endless())
    assert answer.status_code == 413


@pytest.mark.parametrize("user_id", ["0", "-1", "x", "1.5", str(2**63), "9" * 400])
async def test_an_id_that_can_not_be_is_refused(
    client: AsyncClient, user_id: str
) -> None:
    assert (await client.get(f"/users/{user_id}")).status_code == 422


async def test_a_refusal_does_not_repeat_what_was_sent(client: AsyncClient) -> None:
    answer = await client.post("/users", json={"email": "s3cret", "display_name": "A"})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text
    assert answer.json()["detail"][0].keys() == {"type", "loc", "msg"}
