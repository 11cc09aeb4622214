"""What holds for each input, also for those that nobody thought of."""

from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.strategies import text
from pydantic import ValidationError

from accounts.api.schemas import UserCreate


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which Hypothesis keeps its tables."""
    folder = tmp_path_factory.mktemp("hypothesis")
    set_hypothesis_home_dir(folder)
    return folder


# --8<-- [start:names]
@settings(settings.get_profile("ci"), max_examples=300)
@given(text(min_size=1))
def test_an_accepted_name_is_one_line(name: str) -> None:
    try:
        user = UserCreate(email="ann@example.org", display_name=name)
    except ValidationError:
        reject()
    assert user.display_name.splitlines() == [name]
    assert UserCreate.model_validate_json(user.model_dump_json()) == user


# --8<-- [end:names]
