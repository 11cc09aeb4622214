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


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ('pytest.raises(OSError, match=".*")', "matches the empty string"),
        ('pytest.RaisesExc(OSError, match="a.")', "less than 3"),
        ('pytest.warns(UserWarning, match="use it")', None),
        ("pytest.raises(OSError, match=ANN)", None),
        ('re.search(r".*", text, match="")', None),
        ('record_property("figure", "3 calls")', "'3 calls' is written, and not measured"),
        ('record_property("figure", f"3 calls")', "is written, and not measured"),
        ('record_property("figure", f"{3} calls")', "is written, and not measured"),
        ('record_property("figure", f"{count} calls")', None),
        ('record_property("figure", str(len(calls)))', None),
        ('record_property("says", "it ends with status 3")', "is written, and not measured"),
        ('record_property("says", f"it ends with status {status}")', None),
    ],
)
def test_a_loose_match_and_a_figure_that_is_written_are_refused(
    call: str, says: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "test_file.py"
    file.write_text(f"\n{call}\n")
    told = [str(refused) for refused in matches.hold(file)]
    assert len(told) == bool(says)
    assert all(":2: " in each and (says or "") in each for each in told)


def test_two_tests_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "test_file.py"
    file.write_text("def test_a(): ...\ndef test_b(): ...\nasync def test_a(): ...\n")
    (refused,) = matches.twice(file)
    assert ":1: two functions are called test_a" in str(refused)
    file.write_text("def test_a(): ...\ndef test_b(): ...\n")
    assert matches.twice(file) == []
