"""Whatever the service's own schema allows, and much that it doesn't."""

from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from dev import processes
from tests.survival.conftest import Environment, serving

ENDLESS = "/users/events"
# JSON Schema can't say all that makes an e-mail address.
TOO_STRICT: list[CheckFunction] = [positive_data_acceptance]
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


# --8<-- [start:schema]
def test_no_request_is_answered_with_a_server_error(
    environment: Environment, tmp_path: Path
) -> None:
    with serving(processes.uvicorn, environment, tmp_path) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        tried = Counter[str]()
        for found in schema.exclude(path=ENDLESS).get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()

            @EXAMPLES
            @given(operation.as_strategy())
            def hold(case: Case[Any]) -> None:
                tried[case.path] += 1
                case.call_and_validate(excluded_checks=TOO_STRICT)

            hold()
    assert len(tried) == 6
    assert min(tried.values()) > 0


# --8<-- [end:schema]
