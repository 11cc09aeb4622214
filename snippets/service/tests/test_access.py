"""Who may do what: a user its own, an operator all."""

import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fastapi import FastAPI
from httpx2 import AsyncClient
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from pydantic import SecretStr

from accounts import tokens
from accounts.config import ServerSettings
from accounts.tokens import READ, WRITE, InvalidTokenError
from tests.conftest import OPERATOR, TOKEN_KEY, bearer
from tests.fixtures.sample_data import ANN, BOB
from tests.test_handlers import create
from tests.test_tokens import encoded

OWN, ANNA = bearer(1), {"display_name": "Anna"}
GRANTED = {
    "a user its own": (
        OWN,
        {"GET /users/1": 200, "PATCH /users/1": 200, "GET /me": 200},
    ),
    "a user another's": (OWN, {"GET /users/2": 403, "PATCH /users/2": 403}),
    "a user one that is not there": (OWN, {"GET /users/9": 403, "PATCH /users/9": 403}),
    "a user all": (OWN, {"GET /users": 403, "GET /users/events": 403}),
    "a reader": (
        bearer(7, READ),
        {"GET /users": 200, "GET /users/2": 200, "PATCH /users/2": 403, "GET /me": 401},
    ),
    "a writer": (
        bearer(7, WRITE),
        {"GET /users": 403, "GET /users/2": 403, "PATCH /users/2": 200},
    ),
    "an operator": (
        OPERATOR,
        {"GET /users": 200, "GET /users/9": 404, "PATCH /users/1": 200},
    ),
    "nobody": (
        {},
        dict.fromkeys(
            ["GET /users", "GET /users/1", "PATCH /users/1", "GET /users/events"], 401
        ),
    ),
    "another scope": (
        bearer(7, "users", "users:reads", "USERS:READ", "x:users:read"),
        {"GET /users": 403, "GET /users/1": 403},
    ),
}


# --8<-- [start:granted]
@pytest.mark.parametrize(("headers", "wanted"), GRANTED.values(), ids=GRANTED)
async def test_what_a_token_is_good_for(
    client: AsyncClient, headers: dict[str, str], wanted: dict[str, int]
) -> None:
    for user in (ANN, BOB):
        await create(client, user)
    del client.headers["Authorization"]
    seen = {}
    for asked in wanted:
        method, _, path = asked.partition(" ")
        body = ANNA if method == "PATCH" else None
        answer = await client.request(method, path, json=body, headers=headers)
        seen[asked] = answer.status_code
        if answer.status_code == 403:
            assert answer.json() == {"detail": "Not allowed"}
    assert seen == wanted


# --8<-- [end:granted]


async def test_anyone_may_create_a_user(client: AsyncClient) -> None:
    del client.headers["Authorization"]
    await create(client, ANN)


# --8<-- [start:open]
OPEN = {
    *["get /healthz", "get /metrics", "get /readyz"],
    *["post /users", "post /users/{user_id}/verification"],
}


async def test_without_a_token_no_path_answers_but_the_open_ones(
    app: FastAPI, client: AsyncClient
) -> None:
    del client.headers["Authorization"]
    paths, closed = app.openapi()["paths"], set[str]()
    asked = {f"{method} {path}" for path in paths for method in paths[path]}
    for one in asked:
        method, path = one.format(user_id=1).split(" ")
        if (await client.request(method, path)).status_code == 401:
            closed.add(one)
    assert asked - closed == OPEN


# --8<-- [end:open]


async def test_what_is_forbidden_changes_nothing(client: AsyncClient) -> None:
    for user in (ANN, BOB):
        await create(client, user)
    await client.patch("/users/2", json=ANNA, headers=OWN)
    assert (await client.get("/users/2")).json()["display_name"] == "Bob"


async def test_of_two_headers_none_counts(client: AsyncClient) -> None:
    await create(client, ANN)
    both = [("Authorization", OWN["Authorization"])] * 2
    del client.headers["Authorization"]
    assert (await client.get("/me", headers=both)).status_code == 401


def secret(name: str, key: str) -> dict[str, str]:
    """Return a shared secret as a JWK."""
    encoded = jwt.utils.base64url_encode(key.encode()).decode()
    return {"kty": "oct", "kid": name, "alg": "HS256", "k": encoded}


OLD, NEW = secret("old", "o" * 32), secret("new", "n" * 32)


def told(*keys: dict[str, str]) -> str:
    """Return a JWK set."""
    return json.dumps({"keys": keys})


def knowing(settings: ServerSettings, *keys: dict[str, str]) -> ServerSettings:
    """Return settings that hold these keys."""
    known = {"token_key": SecretStr(told(*keys))}
    return ServerSettings.model_validate({**dict(settings), **known})


# --8<-- [start:rotation]
def test_a_key_is_replaced_without_a_moment_in_which_tokens_fail(
    settings: ServerSettings,
) -> None:
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    old, added, moved, new = (knowing(settings, *step) for step in steps)
    before, after = (tokens.issue(one, 7, timedelta(hours=1)) for one in (old, moved))
    assert tokens.issue(added, 7, timedelta(hours=1)).split(".")[0] in before
    for known, token in (
        *[(known, before) for known in (old, added, moved)],
        *[(known, after) for known in (added, moved, new)],
    ):
        assert tokens.verify(known, token).user_id == 7
    for known, token in ((new, before), (old, after)):
        with pytest.raises(InvalidTokenError):
            tokens.verify(known, token)


# --8<-- [end:rotation]


def test_a_secret_without_a_name_is_replaced_by_keys_with_names(
    settings: ServerSettings,
) -> None:
    unnamed = {
        name: value for name, value in secret("", TOKEN_KEY).items() if name != "kid"
    }
    before = tokens.issue(settings, 7, timedelta(hours=1))
    assert tokens.verify(knowing(settings, NEW, unnamed), before).user_id == 7


def pair(algorithm: str) -> Iterator[dict[str, str]]:
    """Give a private key, and the public one that belongs to it."""
    makers: dict[str, tuple[Any, Callable[[], Any]]] = {
        "EdDSA": (OKPAlgorithm, ed25519.Ed25519PrivateKey.generate),
        "ES256": (ECAlgorithm, lambda: ec.generate_private_key(ec.SECP256R1())),
        "RS256": (RSAAlgorithm, lambda: rsa.generate_private_key(65537, 2048)),
    }
    kind, make = makers[algorithm]
    key = make()
    for one in (key, key.public_key()):
        yield json.loads(kind.to_jwk(one)) | {"kid": "a"}


SHARED = b'{"alg":"HS256","kid":"a"}'
"""The header of a token that is signed with what all know, the public key."""


# --8<-- [start:asymmetric]
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_who_verifies_need_not_be_able_to_sign(
    settings: ServerSettings, algorithm: str
) -> None:
    private, public = pair(algorithm)
    verifying = knowing(settings, public)
    token = tokens.mint(told(private), 7, timedelta(hours=1), [READ])
    assert tokens.verify(verifying, token).scopes == {READ}
    with pytest.raises(ValueError, match="none of these keys can sign"):
        tokens.issue(verifying, 7, timedelta(hours=1))
    with pytest.raises(ValueError, match="must not hold a private key"):
        knowing(settings, private)
    _, claims, _ = token.split(".")
    unsigned = f"{encoded(SHARED)}.{claims}"
    public_text = json.dumps(public).encode()
    signature = hmac.digest(public_text, unsigned.encode(), "sha256")
    forged = f"{unsigned}.{encoded(signature)}"
    with pytest.raises(InvalidTokenError):
        tokens.verify(verifying, forged)


# --8<-- [end:asymmetric]


def test_a_short_rsa_key_is_none(settings: ServerSettings) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  it is refused
    public = key.public_key()
    with pytest.raises(ValueError, match="token_key"):
        knowing(settings, json.loads(RSAAlgorithm.to_jwk(public)))


def test_names_of_keys_differ(settings: ServerSettings) -> None:
    with pytest.raises(ValueError, match="token_key"):
        knowing(settings, OLD, OLD)
