"""What holds for each input, also for those that nobody thought of."""

from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import text
from pydantic import ValidationError

from accounts.api.schemas import UserCreate

LETTERS = [chr(number) for number in range(0x500)]
"""Those of Latin, Greek and Cyrillic, with control marks; all would take a table."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> None:
    """Let Hypothesis keep what it writes in a folder of the test."""
    set_hypothesis_home_dir(tmp_path)


# --8<-- [start:names]
@settings(settings.get_profile("ci"))
@given(text(LETTERS, min_size=1))
def test_an_accepted_name_is_one_line(name: str) -> None:
    try:
        user = UserCreate(email="ann@example.org", display_name=name)
    except ValidationError:
        reject()
    assert user.display_name.splitlines() == [name]
    assert UserCreate.model_validate_json(user.model_dump_json()) == user


# --8<-- [end:names]
