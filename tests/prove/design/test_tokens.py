"""What the page on tokens claims."""

import base64
import json
import re
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jwt
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jwt.utils import base64url_encode
from jwt.warnings import InsecureKeyLengthWarning

from snippets.design.tokens.wrong import signed, wrong
from tests.engine.pages import SNIPPETS
from tests.prove.twins import dont

FOLDER = "design/tokens"
KEY = "a key for tests, of 48 bytes or more, and no more"
Holds = Callable[[], None]


INSTRUCTIONS = [
    "Let no wrong token pass",
    "Name the algorithm, the audience and the required claims yourself, and turn every failure into one error.",
    "If you don't know whether a claim is always there, require it.",
    "Look at the arguments below key, and at except.",
    "Install pyjwt, and pass a key of 32 bytes or more from your settings.",
    "Answer InvalidTokenError with 401, and a header that asks for the scheme Bearer.",
    "Don't trust what a good token has",
    "Take the header of the request in one dependency, and let each endpoint that needs the user ask for it.",
    "Look the user up after the token was verified, and answer 401 where the user is gone.",
    "Give the rights of a user in claims that only the issuer writes, and refuse the request where a right is missing.",
    "Add the new key to every process, last in the list.",
    "Move the new key to the front, when every process has it.",
    "Wait until the last token of the old key has ended.",
    "Remove the old key.",
    "Keep secrets out of it, and let it end soon.",
    "Give signed the claims of your tokens, and first require that your function accepts signed(key).",
    "Install pyjwt.",
]


JUDGEMENTS = [
    "We call a signed text that tells who sends a request a token: its claims, such as the user and the end, stand in JSON.",
]


def end(snippet: ModuleType, token: str) -> str:
    """Return how a token ends: the name of what is raised, or `accepted`."""
    try:
        snippet.user_of(token, KEY)
    except Exception as error:  # noqa: BLE001  the test tells which one it is
        return type(error).__name__
    return "accepted"


def ends(snippet: ModuleType) -> dict[str, str]:
    """Return how the wrong tokens end that don't end in the one error."""
    found = {name: end(snippet, token) for name, token in wrong(KEY).items()}
    return {name: how for name, how in found.items() if how != "InvalidTokenError"}


def status_of(error: Exception) -> int:
    """Return what a client gets when an endpoint raises this error."""
    app = FastAPI()

    async def read_order() -> None:
        raise error

    app.get("/")(read_order)
    return TestClient(app, raise_server_exceptions=False).get("/").status_code


@pytest.mark.holds(
    "Or a token without an end is accepted, and nobody notices, because each good token works.",
    "A token without an end passes too, and a token without a user raises KeyError, which becomes a 500.",
    "The sender of a token writes its header, so this code lets the sender choose how the token is checked.",
    "Don't ask the token for its algorithm",
    "A token of another algorithm passes, and a token without a signature raises jwt.InvalidKeyError, which becomes a 500.",
    "Then give your function this table of wrong tokens, and require its one error for each:",
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # for other algorithms
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/verified.py",
        dont(f"{FOLDER}/lenient.py", "no expiry: accepted; no subject: KeyError; "),
        dont(f"{FOLDER}/asked.py", "another algorithm: accepted; no signature: InvalidKeyError"),
    ],
    indirect=True,
)
def test_every_wrong_token_ends_in_one_error(snippet: ModuleType, record_property: Any) -> None:
    assert snippet.user_of(signed(KEY), KEY) == 7
    record_property("figure", str(status_of(KeyError("sub"))))
    told = "; ".join(f"{name}: {how}" for name, how in ends(snippet).items())
    assert not told, told


@pytest.mark.holds(
    "All good tokens pass, so the tests are green.",
    "This version takes what a good token needs, and no more.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/lenient.py"], indirect=True)
def test_good_tokens_hide_what_is_not_checked(snippet: ModuleType) -> None:
    for user_id in (1, 7, 10**17):
        assert snippet.user_of(signed(KEY, sub=str(user_id)), KEY) == user_id
    assert ends(snippet).keys() == {
        "no expiry",
        "no subject",
        "a subject that is no id",
        "an id that no column holds",
    }


@pytest.mark.holds(
    "A function that checks nothing but another audience refuses the whole table, and the good token too.",
)
@pytest.mark.proves(f"{FOLDER}/wrong.py")
def test_refusing_the_table_is_not_enough() -> None:
    for token in [*wrong(KEY).values(), signed(KEY)]:
        with pytest.raises((jwt.InvalidTokenError, ValueError, RecursionError)):
            jwt.decode(token, KEY, algorithms=["HS256"], audience="shop")
    assert jwt.decode(signed(KEY), KEY, algorithms=["HS256"], audience="orders")["sub"] == "7"


@pytest.mark.holds(
    "With a key that is a text and without algorithms, jwt.decode refuses each token with jwt.DecodeError.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/asked.py"], indirect=True)
def test_without_algorithms_no_token_passes(snippet: ModuleType) -> None:
    assert snippet.user_of(signed(KEY), KEY) == 7
    with pytest.raises(jwt.DecodeError, match='pass in a value for the "algorithms" argument'):
        jwt.decode(signed(KEY), KEY, audience="orders")
    typed = {"kty": "oct", "k": base64url_encode(KEY.encode()).decode(), "alg": "HS256"}
    assert jwt.decode(signed(KEY), jwt.PyJWK(typed), audience="orders")["sub"] == "7"


@pytest.mark.holds(
    "Everybody who has a token can read its claims, without a key.",
    "A token is no safe and no switch",
    "user_of accepts a token until its end, whatever happens to the user.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/verified.py"], indirect=True)
def test_what_a_token_tells_without_a_key(snippet: ModuleType) -> None:
    token = signed(KEY)
    claims = token.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (told["sub"], told["aud"]) == ("7", "orders")
    assert [snippet.user_of(token, KEY) for _ in range(2)] == [7, 7]  # nobody asks for the user
    with pytest.raises(snippet.InvalidTokenError):
        snippet.user_of(signed(KEY, exp=int(time.time())), KEY)


@pytest.mark.holds(
    "For HS256, refuse a key of fewer than 32 bytes when the process starts: PyJWT warns of it and goes on.",
)
def test_a_short_key_is_warned_of() -> None:
    with pytest.warns(InsecureKeyLengthWarning, match="31 bytes long, .* length of 32 bytes"):
        token = jwt.encode({"sub": "7"}, KEY[:31], "HS256")
    with pytest.warns(InsecureKeyLengthWarning):
        assert jwt.decode(token, KEY[:31], algorithms=["HS256"])["sub"] == "7"
    jwt.encode({"sub": "7"}, KEY[:32], "HS256")
    with pytest.warns(InsecureKeyLengthWarning, match="32 bytes long, .* length of 48 bytes"):
        jwt.encode({"sub": "7"}, KEY[:32], "HS384")  # another algorithm wants more


@pytest.mark.holds(
    "A client sends a token that is cut or expired, and gets 500.",
    "The signature shows that a holder of the key wrote the claims, and whoever verifies an HS256 token holds that key too.",
    "It doesn't show for which service, until when, or that a claim is there at all: each of those is a check of its own.",
)
def test_what_a_signature_alone_shows(record_property: Any) -> None:
    checks: dict[str, Any] = {"exp": 0, "aud": "invoices"}
    told = jwt.decode(
        signed(KEY, sub=None, **checks),
        KEY,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_aud": False},
    )
    assert told == checks
    for token in (signed(KEY)[:-4], signed(KEY, exp=1)):
        with pytest.raises(jwt.InvalidTokenError) as refused:
            jwt.decode(token, KEY, algorithms=["HS256"], audience="orders")
        record_property("figure", str(status_of(refused.value)))


WRONG = "tests/test_tokens.py::test_a_wrong_token_is_refused"
NAMES = ["another key", "another algorithm", "no signature", "expired", "no expiry"]


@pytest.mark.holds(
    "The header of a request becomes its sender",
    "The service has this dependency, and a test of its own for each token that is wrong:",
    "Each of these tokens is answered 401 with the header WWW-Authenticate, which names the scheme Bearer.",
)
@pytest.mark.service(
    "tests/test_tokens.py::test_another_header_is_refused",
    *[f"{WRONG}[{name}]" for name in NAMES],
)
@pytest.mark.proves("service/src/accounts/api/access.py")
def test_the_service_refuses_wrong_tokens(service: Holds, record_property: Any) -> None:
    service()
    told = (SNIPPETS / "service/tests/test_tokens.py").read_text()
    body = told.partition("async def test_a_wrong_token_is_refused")[2].partition("\n\n\n")[0]
    assert '"WWW-Authenticate"] == "Bearer"' in body
    record_property("figure", re.findall(r"\b4\d\d\b", body)[0])


@pytest.mark.holds(
    "A good token can name nobody",
    "This dependency of the service gives the user of the token, and 401 where the user is gone:",
)
@pytest.mark.service(
    "tests/test_tokens.py::test_a_good_token_of_a_user_that_is_gone_is_refused",
    "tests/test_tokens.py::test_the_good_token_is_good",
)
@pytest.mark.proves("service/src/accounts/api/access.py")
def test_a_user_that_is_gone_is_refused(service: Holds, record_property: Any) -> None:
    service()
    told = (SNIPPETS / "service/tests/test_tokens.py").read_text()
    body = told.partition("def test_a_good_token_of_a_user_that_is_gone")[2]
    record_property("figure", re.findall(r"\b4\d\d\b", body)[0])


@pytest.mark.holds(
    "Replace a key while its tokens are in use",
    "Each process has a list of keys, and the first key that can sign signs.",
    "A process that doesn't have the new key refuses its tokens, so no step may be left out.",
    "At each step, processes before it and after it accept each other's tokens, as the service's test shows:",
    "A header names the key in its field kid, if the issuer writes it: jwt.encode doesn't by itself.",
)
@pytest.mark.service(
    "tests/test_access.py::test_a_key_is_replaced_without_a_moment_in_which_tokens_fail",
    "tests/test_tokens.py::test_a_wrong_token_is_refused[a key that nobody knows]",
)
@pytest.mark.proves("service/tests/test_access.py")
def test_a_key_is_replaced(service: Holds) -> None:
    service()
    named = jwt.encode({"sub": "7"}, KEY, headers={"kid": "new"})
    assert jwt.get_unverified_header(named)["kid"] == "new"
    assert "kid" not in jwt.get_unverified_header(jwt.encode({"sub": "7"}, KEY))
