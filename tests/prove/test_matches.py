"""Which declared failures, and which names of tests, are refused."""

from pathlib import Path

import pytest

from tests.prove import matches

GOOD = "concurrency/timeouts/bounded.py"  # prints a profile


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ("took four times", None),
        ("503", None),
        (r"^DID NOT RAISE .*TimeoutError", None),
        ("(?:it is|they are) lost", None),
        ("", "empty"),
        (".*", "empty"),
        ("a?|lost", "empty"),
        (".+", "less than 3"),
        (r"\d\d\d", "less than 3"),
        ("lost|.", "less than 3"),
        ("[lost]+", "less than 3"),
        ("(lost)?.", "less than 3"),
        ("profile", "prints"),
        ("prof.*", "prints"),
    ],
)
def test_a_match_of_anything_is_refused(match: str, says: str | None) -> None:
    told = matches.weak(match, [GOOD])
    assert (says in told) if says and told else told is says


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "test_file.py"
    file.write_text("def test_a(): ...\ndef test_b(): ...\nasync def test_a(): ...\n")
    (refused,) = matches.twice(file)
    assert ":1: two functions are called test_a" in str(refused)
    file.write_text("def test_a(): ...\ndef test_b(): ...\n")
    assert matches.twice(file) == []
