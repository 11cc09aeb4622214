"""What the page on settings claims."""

import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pydantic_settings
import pytest
from pydantic import ValidationError

from tests.parts import clock
from tests.parts.keeper import kept

FOLDER = "design/settings"
KEY = "0123456789abcdef" * 4

INSTRUCTIONS = [
    "Read all settings when the process starts",
    "Read every setting in one place before the server listens, and end the process if one is missing or wrong.",
    "If you don't know whether a setting is secret, treat it as secret.",
    "Install pydantic and pydantic-settings, and export PAYMENT_KEY; PAYMENT_TIMEOUT has a default.",
    "Declare the settings as one class with types.",
    "Look at SecretStr, and at hide_input_in_errors=True.",
    "Give mypy the plugin pydantic.mypy, or it asks for an argument payment_key.",
    "Don't read a variable where you use it",
    "Don't show what was wrong",
    "Make one class for each kind of process, with what that process needs.",
    "Read it first in the factory of the application, and in the main function of each worker.",
    "Pass the object on, and read os.environ nowhere else.",
    "End with the status os.EX_CONFIG, so that an operator can tell wrong settings from a crash.",
    "Read it before a server starts its workers, too: in the file of gunicorn's configuration, or in the command that starts uvicorn.",
    "Give a secret as a file in the folder of secrets that pydantic-settings reads, where your platform can.",
    "Start the process with a wrong value, and look for the value in all that it writes.",
    "Look for get_secret_value in a review: where it stands, nothing hides the value.",
]


JUDGEMENTS = [
    "We call a value that differs between two deployments of one program a setting.",
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says all that is required."""
    monkeypatch.setenv("PAYMENT_KEY", KEY)
    monkeypatch.delenv("PAYMENT_TIMEOUT", raising=False)


LATE = pytest.param(
    f"{FOLDER}/late.py",
    marks=pytest.mark.xfail(  # nothing reads the variable before its first use
        strict=True,
        raises=pytest.RaisesExc(pytest.fail.Exception, match="DID NOT RAISE .*ValidationError"),
    ),
)


@pytest.mark.holds(
    "A deployment goes out without a variable.",
    "A field without a default is required, and one error names all fields that are wrong.",
    "The process starts without a key, and with a timeout that is no number.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py", LATE], indirect=True)
def test_a_wrong_setting_ends_the_start(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAYMENT_KEY")
    monkeypatch.setenv("PAYMENT_TIMEOUT", "soon")
    with pytest.raises(ValidationError) as refused:
        snippet.start()
    wrong = [error["loc"] for error in refused.value.errors()]
    assert wrong == [("payment_key",), ("payment_timeout",)]


@pytest.mark.holds(
    "The new process starts and answers its health check, and the first payment fails with KeyError.",
    "This class makes the same promise and looks up each variable at its use.",
    "A test that sets the variable passes.",
    "Python reads os.environ when the line runs, so an error stays hidden as long as the line doesn't run.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/late.py"], indirect=True)
def test_the_first_use_fails(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = snippet.start()
    assert settings.payment_key.get_secret_value() == KEY
    assert settings.payment_timeout == 2.0
    monkeypatch.delenv("PAYMENT_KEY")
    assert "PAYMENT_KEY" not in os.environ
    with pytest.raises(KeyError, match="PAYMENT_KEY"):
        assert settings.payment_key


SHOWING = pytest.param(
    f"{FOLDER}/shown.py",
    marks=pytest.mark.xfail(  # neither the error nor the field hides the value
        strict=True,
        raises=pytest.RaisesExc(AssertionError, match="the error shows what the key begins with"),
    ),
)


@pytest.mark.holds(
    "This class checks at the start, and its error shows the key.",
    "Or it fails at once, and the log shows the key.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py", SHOWING], indirect=True)
def test_an_error_shows_no_value(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_KEY", KEY[:15])
    with pytest.raises(ValidationError) as refused:
        snippet.start()
    assert KEY[:15] not in str(refused.value), "the error shows what the key begins with"


@pytest.mark.holds(
    "hide_input_in_errors=True hides values in the text of the error only.",
    "Call errors(include_input=False): errors() and json() hold the key in clear, even of a SecretStr, and all variables that were read where one is missing.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
@pytest.mark.parametrize("another_is_missing", [False, True])
def test_what_an_error_holds_beside_its_text(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, another_is_missing: bool
) -> None:
    class Settings(snippet.Settings):  # type: ignore[name-defined,misc]  # the block is loaded late
        invoice_address: str

    if another_is_missing:
        monkeypatch.setattr(snippet, "Settings", Settings)
    key = KEY if another_is_missing else KEY[:15]
    monkeypatch.setenv("PAYMENT_KEY", key)
    with pytest.raises(ValidationError) as refused:
        snippet.start()
    error = refused.value
    assert key not in str(error) + repr(error)
    assert key in str(error.errors())
    assert key in error.json()
    assert snippet.Settings.model_config["hide_input_in_errors"]
    assert key not in str(error.errors(include_input=False))


@pytest.mark.holds(
    "The text of the error repeats a short value, and both ends of a long one.",
    "A line of the log that prints the settings repeats all of it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/shown.py"], indirect=True)
def test_a_plain_string_is_shown(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger().warning("started with %s", snippet.start())
    assert KEY in caplog.text
    errors = []
    for wrong in (KEY[:15], KEY):
        monkeypatch.setenv("PAYMENT_TIMEOUT", wrong)
        with pytest.raises(ValidationError) as refused:
            snippet.start()
        errors.append(str(refused.value))
    assert f"input_value='{KEY[:15]}'" in errors[0]
    assert KEY not in errors[1]
    assert f"input_value='{KEY[:20]}" in errors[1]
    assert f"{KEY[-20:]}'" in errors[1]


@pytest.mark.holds(
    "pydantic_settings.BaseSettings reads each field from the variable of its name, in capitals or not.",
    "env_ignore_empty=True makes an empty variable a missing variable.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_how_variables_are_read(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert issubclass(snippet.Settings, pydantic_settings.BaseSettings)
    for name in ("PAYMENT_TIMEOUT", "payment_timeout"):
        with monkeypatch.context() as one:
            one.setenv(name, "7")
            assert snippet.start().payment_timeout == 7
    monkeypatch.setenv("PAYMENT_KEY", "")
    with pytest.raises(ValidationError) as refused:
        snippet.start()
    assert [error["type"] for error in refused.value.errors()] == ["missing"]


@pytest.mark.holds(
    "SecretStr keeps the value out of repr, of logs and of tracebacks that show local variables.",
    "get_secret_value returns it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_a_secret_is_not_shown(snippet: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    settings = snippet.start()
    logging.getLogger().warning("%s %r", settings, settings.payment_key)
    with pytest.raises(LookupError) as raised:
        raise LookupError(settings.payment_timeout)
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    shown = [caplog.text, repr(settings), settings.model_dump_json(), *told.format()]
    assert any("settings = " in line for line in shown)
    assert KEY not in "".join(shown)
    assert settings.payment_key.get_secret_value() == KEY


@pytest.mark.holds(
    "One line of its log names each variable that is wrong, and no value.",
    "A name that is nearly one of ours, and that nothing reads, is refused too.",
    "The service reads them with this function:",
)
@pytest.mark.service(
    "tests/test_startup.py::test_all_that_is_wrong_is_told_at_once",
    "tests/test_startup.py::test_an_empty_variable_says_nothing",
)
@pytest.mark.proves("service/src/accounts/startup.py")
def test_the_service_tells_all_at_once(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "The service has this test for its server, its workers and its migrations:",
)
@pytest.mark.service(
    *[
        f"tests/test_startup.py::test_each_process_ends_at_once_and_shows_no_value[{name}]"
        for name in ("uvicorn", "worker", "migration")
    ]
)
@pytest.mark.proves("service/tests/test_startup.py")
def test_each_process_of_the_service_reads_them_first(service: Callable[[], None]) -> None:
    service()


@pytest.mark.holds(
    "A field that is a list or a class is read as JSON.",
    "Text that isn't JSON raises SettingsError, which names this field only, and which except ValidationError misses.",
    "A variable with a slip in its name is read by nobody: PAYMENT_TIMEOUTS leaves payment_timeout at its default.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_what_is_read_as_json_and_what_is_not_read(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settings(snippet.Settings):  # type: ignore[name-defined,misc]  # the block is loaded late
        invoice_hosts: list[str]

    monkeypatch.setenv("PAYMENT_TIMEOUTS", "7")
    assert snippet.start().payment_timeout == 2.0
    monkeypatch.setenv("INVOICE_HOSTS", '["a", "b"]')
    assert Settings().invoice_hosts == ["a", "b"]
    monkeypatch.setenv("INVOICE_HOSTS", "a,b")
    monkeypatch.setenv("PAYMENT_TIMEOUT", "soon")
    with pytest.raises(pydantic_settings.SettingsError, match='field "invoice_hosts"') as refused:
        Settings()
    assert not isinstance(refused.value, ValidationError)
    assert "payment_timeout" not in str(refused.value)


@pytest.mark.holds(
    "Each program that a process starts gets its variables too, and gets no field of Settings.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/checked.py"], indirect=True)
def test_a_child_gets_the_variables(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def told() -> str:
        show = [sys.executable, "-c", "import os; print(os.environ.get('PAYMENT_KEY'))"]
        return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()

    assert told() == snippet.start().payment_key.get_secret_value() == KEY
    monkeypatch.delenv("PAYMENT_KEY")
    (tmp_path / "payment_key").write_text(KEY)
    settings = snippet.Settings(_secrets_dir=tmp_path)
    assert settings.payment_key.get_secret_value() == KEY
    assert told() == "None"


FACTORY = """
import os

def create_app() -> object:
    with open("starts", "a") as starts:
        starts.write("x")
    raise SystemExit(os.EX_CONFIG)
"""
UVICORN = ["uvicorn", "--factory", "factory:create_app", "--port=0"]
GUNICORN = ["gunicorn", "--worker-class=uvicorn_worker.UvicornWorker", "--bind=127.0.0.1:0"]
GUNICORN += ["factory:create_app()"]


@pytest.mark.holds(
    "Workers that end are started again",
    "In the factory alone, SystemExit ends each worker, and gunicorn, or uvicorn with several workers, starts the next again and again.",
    "The server itself goes on, so its status tells nothing.",
)
@pytest.mark.parametrize(
    ("once", "again"),
    [(UVICORN, [*UVICORN, "--workers=2"]), ([*GUNICORN, "--preload"], GUNICORN)],
)
def test_a_worker_that_ends_is_started_again(
    once: list[str], again: list[str], tmp_path: Path
) -> None:
    (tmp_path / "factory.py").write_text(FACTORY)
    starts = tmp_path / "starts"
    run = [sys.executable, "-m"]
    ended = subprocess.run([*run, *once], cwd=tmp_path, capture_output=True)
    assert (ended.returncode, starts.read_text()) == (os.EX_CONFIG, "x")
    with kept([*run, *again], tmp_path, "TERM", lambda: len(starts.read_text()) > 4):
        seen = len(starts.read_text())  # more than one, and twice as many as there are workers
        clock.wait(lambda: len(starts.read_text()) > seen)  # it goes on until it is told to stop


@pytest.mark.holds(
    "After another exception in the factory, gunicorn ends with the status 3.",
)
def test_gunicorn_ends_after_another_exception(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "factory.py").write_text(FACTORY.replace("SystemExit(os.EX_CONFIG)", "ValueError"))
    ended = subprocess.run([sys.executable, "-m", *GUNICORN], cwd=tmp_path, capture_output=True)
    assert (tmp_path / "starts").read_text() == "x"
    record_property("figure", f"status {ended.returncode}")
    assert ended.returncode == 3
