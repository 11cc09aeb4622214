"""What a line of the log holds, whoever writes it and whatever went wrong."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from accounts import logs
from accounts.logs import HIDDEN, Mask
from accounts.tracebacks import described

SECRET = "S3CRET"  # noqa: S105  it must not be shown


@pytest.fixture(autouse=True)
def logging_as_a_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Logs as each process configures them, put back at the end."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    logs.configure()
    yield
    logs.hide(())


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return the one line that was written."""
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


# --8<-- [start:masked]
@pytest.mark.parametrize(
    "told",
    [
        f"at postgresql://u:{SECRET}@host",
        {"deep": [{"er": (SECRET,)}]},
        {SECRET},
        ["ann@example.org", "Ünï@bücher.example", "a.b+c@sub.example.org"],
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1",
        RuntimeError(SECRET),
        {"ann@example.org": 1},
    ],
)
def test_a_value_is_hidden_wherever_it_is(told: object) -> None:
    mask = Mask()
    mask.hide([SECRET, ""])
    written = json.dumps(mask(None, "info", {"told": told}))
    assert HIDDEN in written
    assert not any(part in written for part in (SECRET, "ann@", "Ünï@", "a.b", "eyJ"))


def test_what_is_no_secret_stays() -> None:
    told = {"a": 1, "b": None, "c": True, "d": ["celery@host ready", 1.5], "e": "x"}
    told |= {"key of another service": "sk_live_4f2a"}
    mask = Mask()
    mask.hide(["x"])  # each word may hold it
    assert mask(None, "info", {"told": told}) == {"told": told}


# --8<-- [end:masked]


# --8<-- [start:quoting]
def test_an_error_of_a_parser_is_named_and_not_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure()
    log = logging.getLogger("a library")
    error = ValueError(SECRET)
    for told in ("failed: %s", "failed: %r"):
        log.error(told, error)
        assert line(capsys)["event"] in ("failed: ValueError", "failed: 'ValueError'")
    log.error(error)
    assert line(capsys)["event"] == "ValueError"
    of_celery = {"exc": f"ValueError({SECRET!r})", "name": "a task"}
    log.error("Task %(name)s raised: %(exc)s", of_celery)
    assert line(capsys)["event"] == "Task a task raised: ValueError"


@pytest.mark.parametrize(
    "quoting",
    [
        lambda: dict[str, int]()[SECRET],
        lambda: int(SECRET),
        lambda: Path(SECRET).stat(),
    ],
)
def test_the_message_of_an_error_that_quotes_is_left_out(
    capsys: pytest.CaptureFixture[str], quoting: Callable[[], object]
) -> None:
    try:
        quoting()
    except Exception:
        structlog.get_logger().exception("failed")
    told = json.dumps(line(capsys))
    assert SECRET not in told
    assert '"exc_type"' in told
    assert '"exc_value"' not in told


def raised() -> BaseException:
    """Return an error that has a cause, which has a context."""
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError("context") from error
    except KeyError as error:
        return ExceptionGroup("some", [error, OSError(2, SECRET)])
    raise AssertionError


def test_a_traceback_tells_where_and_not_what() -> None:
    error = raised()
    (whole,) = described((type(error), error, None))
    (first, cause), (other,) = whole["exceptions"]
    assert whole["exc_value"].startswith("some")
    assert (first["exc_type"], cause["exc_type"]) == ("KeyError", "ValueError")
    assert cause["frames"][-1]["name"] == "raised"
    assert (other["exc_type"], other["errno"]) == ("FileNotFoundError", 2)
    assert SECRET not in json.dumps(whole)


# --8<-- [end:quoting]


class Mute(Exception):  # noqa: N818  it is no error of ours
    """What can't be told."""

    def __str__(self) -> str:
        raise RuntimeError


def test_an_error_that_says_nothing_is_named() -> None:
    (told,) = described((Mute, Mute(), None))
    assert told["exc_value"] == "unprintable"


def test_what_ends_the_process_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    sys.excepthook(ValueError, ValueError(SECRET), None)
    told = line(capsys)
    assert (told["event"], told["level"]) == ("process_failed", "critical")
    assert SECRET not in json.dumps(told)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().out == ""
