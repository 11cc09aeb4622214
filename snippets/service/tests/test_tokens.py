"""Every way in which a token can be wrong."""

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import jwt
import pytest
from httpx2 import AsyncClient

from accounts import tokens
from accounts.config import ServerSettings
from accounts.tokens import Bearer, InvalidTokenError
from tests.conftest import TOKEN_KEY
from tests.fixtures.sample_data import ANN
from tests.test_handlers import create

GOOD: dict[str, object] = {
    "sub": "1",
    "aud": "accounts",
    "exp": datetime.now(UTC) + timedelta(hours=1),
}
OTHER_KEY = "another key, of 32 bytes or more, too"


def signed(
    told: Mapping[str, object] = MappingProxyType({}),
    *,
    key: str = TOKEN_KEY,
    algorithm: str = "HS256",
    headers: dict[str, object] | None = None,
    **claims: object,
) -> str:
    """Return a good token but for what is told; a claim of None is left out."""
    whole = {**GOOD, **told, **claims}
    told = {name: value for name, value in whole.items() if value is not None}
    if isinstance(told.get("sub"), str) and told.get("iat") != "0":
        return jwt.encode(told, key, algorithm, headers)
    body = json.dumps(told, default=datetime.timestamp).encode()
    return jwt.PyJWS().encode(body, key, algorithm, headers)


def encoded(part: bytes) -> str:
    """Return a part of a token as it is written."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


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
    **{
        f"a subject that is spelled {sub!r}": signed(sub=sub)
        for sub in ("01", "+1", " 1", "1 ", "1_0", "1.0", "\uff11", "-1", "1\n", "")
    },
    **{
        f"a {name} that is {value!r}": signed({name: value})
        for name, value in {
            "sub": 1,
            "exp": "4102444800",
            "scope": ["users:read"],
            "iat": "0",
            "nbf": [],
        }.items()
    },
    "an end that never comes": signed(exp=float("inf")),
    "an end that is no number": signed(exp=float("nan")),
    "issued in a minute": signed(iat=datetime.now(UTC) + timedelta(hours=1)),
    "an end that is true": signed(exp=True),
    "a key that nobody knows": signed(headers={"kid": "another"}),
    "a key without a name": signed(headers={"kid": ""}),
    "a demand that nobody knows": signed(headers={"crit": ["exp"]}),
    "another spelling of its end": signed() + "=",
    "a header that is too deep": f"{encoded(b'[' * 20_000)}.e30.e30",
    "claims that are too deep": f"{encoded(b'{}')}.{encoded(b'[' * 20_000)}.e30",
    "a header that is a list": f"{encoded(b'[]')}.e30.e30",
    "an algorithm that is a list": encoded(b'{"alg": [1]}') + ".e30.e30",
    "four parts": signed() + ".e30",
    "blanks": signed().replace(".", " . "),
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


@pytest.mark.parametrize(
    "header", [None, "Basic YTpi", "Bearer", "a.token.alone", "bearer"]
)
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


def seconds(number: float) -> datetime:
    """Return the moment some seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=number)


# --8<-- [start:clocks]
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_clocks_may_differ_by_some_seconds(
    settings: ServerSettings, claim: str
) -> None:
    assert tokens.verify(settings, signed({claim: seconds(2)})).user_id == 1
    with pytest.raises(InvalidTokenError):
        tokens.verify(settings, signed({claim: seconds(60)}))


def test_a_token_ends_when_it_ends(
    settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    token = signed(exp=now + 10)
    monkeypatch.setattr(time, "time", lambda: now + 9)
    assert tokens.verify(settings, token).user_id == 1
    monkeypatch.setattr(time, "time", lambda: now + 10)
    with pytest.raises(InvalidTokenError):
        tokens.verify(settings, token)


# --8<-- [end:clocks]


async def test_the_good_token_is_good(client: AsyncClient) -> None:
    await create(client, ANN)
    answer = await client.get("/me", headers={"Authorization": f"Bearer {signed()}"})
    assert (answer.status_code, answer.json()["id"]) == (200, 1)


def test_what_is_issued_can_be_verified(settings: ServerSettings) -> None:
    token = tokens.issue(settings, 7, timedelta(minutes=1), ["a:b", "c"])
    assert tokens.verify(settings, token) == Bearer(7, frozenset({"a:b", "c"}))
