"""What the page on tokens claims."""

import asyncio
import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import jwt
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from jwt.utils import base64url_encode
from jwt.warnings import InsecureKeyLengthWarning

from snippets.design.tokens.wrong import signed, wrong
from tests.engine.pages import SNIPPETS
from tests.prove.twins import dont

FOLDER = "design/tokens"
TOKENS = SNIPPETS / "service/src/accounts/tokens.py"
KEY = "a key for tests, of 48 bytes or more, and no more"
Holds = Callable[[], None]
RAISED = {"no signature": "signature raises jwt.", "no subject": "user raises "}


INSTRUCTIONS = [
    "Let no wrong token pass",
    "Name the algorithm, the audience and the required claims yourself, and turn every failure into one error.",
    "If you don't know whether a claim is always there, require it.",
    "Look at the arguments below key, and at except.",
    "Install pyjwt, and pass a key of 32 bytes or more from your settings.",
    "Answer InvalidTokenError with 401, and a header that asks for the scheme Bearer.",
    "Don't trust what a good token has",
    "Take the header of the request in one dependency, and give it to each router whose endpoints need a user.",
    "Keep what is open to everybody in a router of its own, and name it in a test.",
    "Look the user up after the token was verified, and answer 401 where the user is gone.",
    "Give the rights of a user in claims that only the issuer writes, and refuse the request where a right is missing.",
    "Wait until the last token of the old key has ended.",
    "Remove the old key.",
    "Keep secrets out of it, and let it end soon.",
    "Give signed the claims of your tokens, and first require that your function accepts signed(key).",
    "Install pyjwt.",
    "Answer that as a part that is away, and not with 401: the token may be good.",
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
    ended = ends(snippet)
    for name in RAISED.keys() & ended.keys():
        record_property("says", f"a token without a {RAISED[name]}{ended[name]}")
    told = "; ".join(f"{name}: {how}" for name, how in ended.items())
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
    "Add the new key to every process, last in the list.",
    "Move the new key to the front, when every process has it.",
    "A process that doesn't have the new key refuses its tokens, so no step may be left out.",
    "At each step, processes before it and after it accept each other's tokens, as the service's test shows:",
    "A header names the key in its field kid, if the issuer writes it: jwt.encode doesn't by itself.",
)
@pytest.mark.service(
    "tests/test_access.py::test_a_key_is_replaced_without_a_moment_in_which_tokens_fail",
    "tests/test_tokens.py::test_a_wrong_token_is_refused[a key that nobody knows]",
)
@pytest.mark.proves("service/tests/test_access.py")
def test_a_key_is_replaced(service: Holds, record_property: Any) -> None:
    service()
    told = (SNIPPETS / "service/tests/test_access.py").read_text()
    (steps,) = re.findall(r"steps = \[(.*)\]", told)
    _, added, moved, _ = (re.findall(r"\w+", step) for step in steps.split("], ["))
    place = {0: "first", 1: "last"}[added.index("NEW")]
    record_property("says", f"Add the new key to every process, {place} in the list")
    end, when = {0: "front", 1: "end"}[moved.index("NEW")], "when" if "NEW" in added else "before"
    record_property("says", f"Move the new key to the {end}, {when} every process has it")
    named = jwt.encode({"sub": "7"}, KEY, headers={"kid": "new"})
    assert jwt.get_unverified_header(named)["kid"] == "new"
    assert "kid" not in jwt.get_unverified_header(jwt.encode({"sub": "7"}, KEY))


@pytest.mark.holds(
    "If the old key has leaked, don't wait, and remove it from every process at once: whoever has it can sign a token for any user.",
    "Then all users sign in again.",
)
@pytest.mark.service(
    "tests/test_access.py::test_a_key_is_replaced_without_a_moment_in_which_tokens_fail",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/verified.py"], indirect=True)
def test_a_leaked_key_signs_for_anybody(snippet: ModuleType, service: Holds) -> None:
    service()
    new = KEY[::-1]
    for user_id in (1, 2):
        forged, own = signed(KEY, sub=str(user_id)), signed(new, sub=str(user_id))
        assert snippet.user_of(forged, KEY) == user_id
        for token in (forged, signed(KEY)):
            with pytest.raises(snippet.InvalidTokenError):
                snippet.user_of(token, new)
        assert snippet.user_of(own, new) == user_id


@pytest.mark.holds(
    "An endpoint that forgets to ask is open",
    "An endpoint without the dependency answers everybody, and FastAPI doesn't warn.",
    "An APIRouter that has it among its dependencies refuses a request without a token, also at an endpoint that is added later.",
    "The service's test asks each path of its schema without a token, and names the paths that answer:",
)
@pytest.mark.service(
    "tests/test_access.py::test_without_a_token_no_path_answers_but_the_open_ones",
)
@pytest.mark.proves("service/tests/test_access.py")
def test_a_router_asks_for_all_its_endpoints(
    service: Holds, recwarn: pytest.WarningsRecorder
) -> None:
    service()

    def get_user() -> None:
        raise HTTPException(401)

    async def read() -> str:
        return "open"

    app, closed = FastAPI(), APIRouter(dependencies=[Depends(get_user)])
    app.get("/forgotten")(read)
    closed.get("/added")(read)
    app.include_router(closed)
    client = TestClient(app)
    assert client.get("/forgotten").json() == "open"
    assert client.get("/added").status_code == 401
    assert not recwarn.list


@pytest.mark.holds(
    "The issuer's clock may be ahead",
    "user_of refuses a new token, if the clock of its issuer is ahead and the token has the claim iat or nbf.",
    "The argument leeway of jwt.decode lets such a token pass, and each token for as many seconds after its end.",
    "The service lets the issuer's clock be 5 seconds ahead, and adds nothing to the end.",
)
@pytest.mark.service(
    "tests/test_tokens.py::test_clocks_may_differ_by_some_seconds",
    "tests/test_tokens.py::test_a_token_ends_when_it_ends",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/verified.py"], indirect=True)
def test_the_clock_of_the_issuer_is_ahead(
    snippet: ModuleType, service: Holds, record_property: Any
) -> None:
    service()
    (ahead,) = re.findall(r"^LEEWAY = (\d+)\.0$", TOKENS.read_text(), re.MULTILINE)
    record_property("figure", f"{ahead} seconds")
    record_property("says", f"{ahead} seconds ahead, and adds nothing to the end")

    def end_with_leeway(token: str) -> str:
        told: dict[str, Any] = {"algorithms": ["HS256"], "audience": "orders"}
        try:
            return str(jwt.decode(token, KEY, leeway=3600, **told)["sub"])
        except jwt.InvalidTokenError as error:
            return type(error).__name__

    for claim, within, beyond, refused in (
        ("iat", 1800, 7200, "ImmatureSignatureError"),
        ("nbf", 1800, 7200, "ImmatureSignatureError"),
        ("exp", -1800, -7200, "ExpiredSignatureError"),
    ):
        near, far = (signed(KEY, "HS256", **{claim: time.time() + at}) for at in (within, beyond))
        assert end(snippet, near) == end(snippet, far) == "InvalidTokenError"
        assert (end_with_leeway(near), end_with_leeway(far)) == ("7", refused)


@contextmanager
def provider(seen: list[bool], asks: threading.Event, *patience: float) -> Iterator[str]:
    """Publish a key called `a`, once `asks` is set or patience ends; note whether it was set."""
    left = iter(patience)
    key = {"kty": "oct", "kid": "a", "alg": "HS256", "k": base64url_encode(KEY.encode()).decode()}
    body = json.dumps({"keys": [key]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(asks.wait(next(left)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        thread.join()


@pytest.mark.holds(
    "A provider's keys come over the network",
    "Call get_signing_key_from_jwt in asyncio.to_thread: it fetches the keys, and blocks the event loop meanwhile.",
    "A kid that nobody knows raises jwt.PyJWKClientError, which is no jwt.InvalidTokenError: catch it too.",
    "A provider that is away raises jwt.PyJWKClientConnectionError, which is of that kind too.",
    "Where an identity provider signs, take its public keys with jwt.PyJWKClient, require iss, and pass issuer.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/verified.py"], indirect=True)
def test_the_keys_of_a_provider(snippet: ModuleType) -> None:
    seen, asks = list[bool](), threading.Event()

    async def fetch(url: str, *, in_a_thread: bool) -> jwt.PyJWKClient:
        asks.clear()
        asyncio.get_running_loop().call_soon(asks.set)  # it is set once the loop turns
        client = jwt.PyJWKClient(url)
        token = jwt.encode({"sub": "7"}, KEY, headers={"kid": "a"})
        if in_a_thread:
            await asyncio.to_thread(client.get_signing_key_from_jwt, token)
        else:
            client.get_signing_key_from_jwt(token)
        return client

    with provider(seen, asks, 0.1, 60) as url:  # a loop that is blocked sets it never
        for in_a_thread in (False, True):
            client = asyncio.run(fetch(url, in_a_thread=in_a_thread))
        assert seen == [False, True]
        with pytest.raises(jwt.PyJWKClientError) as unknown:
            client.get_signing_key_from_jwt(jwt.encode({}, KEY, headers={"kid": "b"}))
    with pytest.raises(jwt.PyJWKClientConnectionError) as away:
        jwt.PyJWKClient(url).get_signing_key("a")
    for raised in (unknown, away):
        assert isinstance(raised.value, jwt.PyJWKClientError)
        assert not isinstance(raised.value, jwt.InvalidTokenError)
    told: dict[str, Any] = {"algorithms": ["HS256"], "audience": "orders"}
    foreign = signed(KEY, iss="https://others.example")
    assert snippet.user_of(foreign, KEY) == 7  # without `issuer`, any of them passes
    with pytest.raises(jwt.InvalidIssuerError):
        jwt.decode(foreign, KEY, issuer="https://ours.example", **told)
