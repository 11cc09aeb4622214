"""What the page on errors claims: the service's own tests show it."""

from collections.abc import Callable

import pytest

from tests.parts.evidence import failing

Holds = Callable[[], None]

INSTRUCTIONS = [
    "Answer each error in one place",
]


@pytest.mark.holds(
    "A handler raises what went wrong.",
    "One table says which answer each error becomes.",
    "Without its line in the table, an unknown user is answered as if the service had a bug:",
)
@pytest.mark.service("tests/test_handlers.py::test_an_unknown_user_is_not_found[1]")
@pytest.mark.parametrize(
    "patch", [None, failing("design/errors/unanswered.patch", r"assert \(500, .* == \(404, ")]
)
def test_an_unknown_user_gets_an_answer(service: Holds, patch: str | None) -> None:
    service()


@pytest.mark.holds("The settings of the migrations", "Alembic reads this file for each migration:")
@pytest.mark.service("tests/test_migrations.py::test_models_and_migrations_agree")
@pytest.mark.proves("service/alembic.ini")
def test_migrations_read_their_settings(service: Holds) -> None:
    service()
