"""Every way in which a token can be wrong."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from httpx2 import AsyncClient

from accounts import tokens
from accounts.config import ServerSettings
from accounts.tokens import Bearer
from tests.conftest import TOKEN_KEY
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

GOOD: dict[str, object] = {
    "sub": "1",
    "aud": "accounts",
    "exp": datetime.now(UTC) + timedelta(hours=1),
}
OTHER_KEY = "another key, of 32 bytes or more, too"


def signed(key: str = TOKEN_KEY, algorithm: str = "HS256", **claims: object) -> str:
    """Return a good token but for what is told; a claim of None is left out."""
    told = {name: value for name, value in (GOOD | claims).items() if value is not None}
    return jwt.encode(told, key, algorithm)


def unsigned() -> str:
    """Return a token whose header says that it has no signature."""
    parts = {"alg": "none", "typ": "JWT"}, {"sub": "1", "aud": "accounts", "exp": 2**32}
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
    return ".".join([*(part.decode().rstrip("=") for part in encoded), ""])


# --8<-- [start:wrong]
PAST = datetime.now(UTC) - timedelta(seconds=1)
FUTURE = datetime.now(UTC) + timedelta(hours=1)
WRONG = {
    "another key": signed(key=OTHER_KEY),
    "another algorithm": signed(key=TOKEN_KEY * 2, algorithm="HS512"),
    "no signature": unsigned(),
    "a cut signature": signed()[:-4],
    "expired": signed(exp=PAST),
    "no expiry": signed(exp=None),
    "not valid yet": signed(nbf=FUTURE),
    "no subject": signed(sub=None),
    "a subject that is no id": signed(sub="ann"),
    "an id that can't be": signed(sub="0"),
    "an id that no column holds": signed(sub=str(2**63)),
    "an id with too many digits": signed(sub="9" * 5000),
    "another audience": signed(aud="billing"),
    "no audience": signed(aud=None),
    "no token": "garbage",
    "an empty token": "",
    "another alphabet": "é.é.é",
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG)
async def test_a_wrong_token_is_refused(client: AsyncClient, token: str) -> None:
    assert await create(client, ANN) == 1
    header = f"Bearer {token}".encode()
    answer = await client.get("/me", headers={b"Authorization": header})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# --8<-- [end:wrong]


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", signed(), "bearer"])
async def test_another_header_is_refused(
    client: AsyncClient, header: str | None
) -> None:
    del client.headers["Authorization"]
    answer = await client.get(
        "/me", headers={"Authorization": header} if header else {}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_good_token_of_a_user_that_is_gone_is_refused(
    client: AsyncClient,
) -> None:
    answer = await client.get("/me", headers={"Authorization": f"Bearer {signed()}"})
    assert answer.status_code == 401


async def test_the_good_token_is_good(client: AsyncClient) -> None:
    await create(client, ANN)
    answer = await client.get("/me", headers={"Authorization": f"Bearer {signed()}"})
    assert (answer.status_code, answer.json()["id"]) == (200, 1)


def test_what_is_issued_can_be_verified(settings: ServerSettings) -> None:
    token = tokens.issue(settings, 7, timedelta(minutes=1), ["a:b", "c"])
    assert tokens.verify(settings, token) == Bearer(7, frozenset({"a:b", "c"}))
