"""Whatever the service's own schema allows, and much that it doesn't."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import from_regex
from requests import PreparedRequest
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.errors import FailureGroup

from accounts import tokens
from accounts.config import ServerSettings
from dev import processes
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import Environment, serving

SCOPES = tokens.READ, tokens.WRITE
ENDLESS = "/users/events"
PARTS = {"parameters", "requestBody", "security"}
Wanted = dict[GenerationMode, set[str]]
EXAMPLES = examples(
    max_examples=20,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CI = examples.get_profile("ci")
# JSON Schema can't say all that makes an e-mail address.
ADDRESSES = from_regex(r"[A-Za-z0-9]{1,20}@[a-z]{1,20}\.(org|com)", fullmatch=True)
schemathesis.openapi.format("email", ADDRESSES)
NAMES = from_regex(r"[A-Za-zÀ-ž]([A-Za-zÀ-ž ]{0,90}[A-Za-zÀ-ž])?", fullmatch=True)
schemathesis.openapi.format("readable-name", NAMES)

KEY = re.compile(r'"?[\w-]{16,64}"?', re.ASCII)


def with_own_key(request: PreparedRequest) -> PreparedRequest:
    """Give a request with a good key one of its own: another's is refused."""
    if KEY.fullmatch(str(request.headers.get("Idempotency-Key", ""))):
        request.headers["Idempotency-Key"] = uuid4().hex
    return request


def wanted_of(schema: dict[str, dict[str, dict[str, Any]]]) -> Wanted:
    """Return which operations take good data, or none, and which may get bad data."""
    operations = {
        f"{method.upper()} {path}": told
        for path, methods in schema["paths"].items()
        for method, told in methods.items()
        if path != ENDLESS
    }
    fed = {label for label, told in operations.items() if told.keys() & PARTS}
    return {GenerationMode.POSITIVE: set(operations), GenerationMode.NEGATIVE: fed}


# --8<-- [start:schema]
def test_each_answer_is_one_of_those_in_the_schema(
    environment: Environment, settings: ServerSettings, tmp_path: Path
) -> None:
    set_hypothesis_home_dir(tmp_path)
    bearer = f"Bearer {tokens.issue(settings, 1, timedelta(hours=1), SCOPES)}"
    answers = Counter[tuple[str, GenerationMode, int]]()

    @EXAMPLES
    def hold(case: Case[Any]) -> None:
        assert case.meta
        mode = case.meta.generation.mode
        headers = {"Authorization": bearer}
        answer = case.call_and_validate(session=session, headers=headers)
        answers[case.operation.label, mode, answer.status_code] += 1

    with (
        serving(processes.uvicorn, environment, tmp_path) as server,
        server.client() as client,
        requests.Session() as session,
    ):
        session.auth = with_own_key
        assert client.post("/users", json=ANN).status_code == 201
        wanted = wanted_of(client.get("/openapi.json").json())
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        schema.config.generation.codec = None  # a table of Unicode would take a second
        schema.config.generation.allow_extra_parameters = False  # nobody reads them
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            for mode, labels in wanted.items():
                if operation.label in labels:
                    given(operation.as_strategy(generation_mode=mode))(hold)()
    for mode, labels in wanted.items():
        assert {label for label, tried, _ in answers if tried == mode} == labels
    assert answers["GET /me", GenerationMode.POSITIVE, 200]
    assert answers["GET /me", GenerationMode.NEGATIVE, 401]


# --8<-- [end:schema]


@contextmanager
def shrinking() -> Iterator[None]:
    """Raise failures as an error that Hypothesis shrinks."""
    try:
        yield
    except FailureGroup as found:
        raise AssertionError(found) from None


# --8<-- [start:one]
def test_each_answer_about_a_user_is_in_the_schema(
    environment: Environment, settings: ServerSettings, tmp_path: Path
) -> None:
    set_hypothesis_home_dir(tmp_path)
    bearer = f"Bearer {tokens.issue(settings, 1, timedelta(hours=1), SCOPES)}"
    with serving(processes.uvicorn, environment, tmp_path) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        schema.config.generation.codec = None  # as above

        @examples(CI, max_examples=20, phases=[Phase.generate, Phase.shrink])
        @given(schema["/users/{user_id}"]["GET"].as_strategy())
        def hold(case: Case[Any]) -> None:
            with shrinking():
                case.call_and_validate(headers={"Authorization": bearer})

        hold()


# --8<-- [end:one]
