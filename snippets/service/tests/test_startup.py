"""What a process does with settings that are wrong: it ends, and names the variable."""

import json
import subprocess
from collections.abc import Mapping

import pytest

from accounts import startup
from accounts.config import ServerSettings, Settings
from accounts.startup import KNOWN, LINK, WRONG, secrets_of, unknown
from dev.processes import PYTHON, ROOT

SECRET = "S3CRET"  # noqa: S105  it must not be shown
GOOD = {
    "DATABASE_URL": f"postgresql://ann:{SECRET}@host/name",
    "REDIS_URL": f"redis://:{SECRET}@host/0",
    "TOKEN_KEY": f"{SECRET} of 32 bytes or more, for tests",
}
AT = "postgresql://u:p@host"
DATABASES = [
    *[f"postgresql://u:{SECRET}{mark}x@host/name" for mark in "/?#@[]% \t\n"],
    *[f"postgresql://u:p@host:{port}/name" for port in ("S3CRET", "0", "65536", "-1")],
    *[f"{AT}{rest}" for rest in ("/a/S3CRET", "/name#S3CRET", "/name?a=b@S3CRET")],
    *[f"{AT}/name?{told}" for told in ("sslmode=S3CRET", "sslrootcert=/S3CRET")],
    *[f"{scheme}u:{SECRET}@host/name" for scheme in ("mysql://", "postgresql:", "")],
    f"{AT}:5432:{SECRET}/name",
    f"{AT}:5432,other:{SECRET}/name",
    f" {AT}/{SECRET}",
    f"{AT}/{SECRET}\n",
    SECRET,
]
REDISES = [
    *[f"redis://:{SECRET}{mark}x@host/0" for mark in "/?#@[]% \t\n"],
    *[f"redis://:p@host{rest}" for rest in ("/S3CRET", "/0/S3CRET", ":S3CRET/0")],
    *[f"{scheme}:{SECRET}@host/0" for scheme in ("unix://", "http://", "redis:", "")],
    f"rediss://:{SECRET}@host/0",
    f"redis://a,b:{SECRET}/0",
    SECRET,
]
EC = {"kty": "EC", "crv": "P-256", "x": "S3CRET", "y": "S3CRET"}
KEYS = [
    SECRET,
    *[f'{{"keys": {told}}}' for told in ("[]", '["S3CRET"]', '{"a": "S3CRET"}')],
    *['{"S3CRET": 1}', '{"S3CRET', '{"keys": [{"kty": "oct", "k": "UzNDUkVU"}]}'],
    json.dumps({"keys": [EC]}),
]
NUMBERS = {
    "POOL_SIZE": ["0", "-1", "1.5", SECRET, "1e3", "nan"],
    "POOL_TIMEOUT": ["0", "-1", SECRET],
    "CACHE_SECONDS": ["-1", SECRET, "1.5"],
    "SMTP_PORT": ["0", "65536", SECRET, "tcp://10.0.0.1:25"],
    "BODY_LIMIT": ["0", SECRET],
    "LOCK_TIMEOUT": ["0", SECRET],
    "MAIL_LIMIT": [SECRET, "0", "-1/hour", "30", "30/S3CRET"],
    "WEB_CONCURRENCY": ["0", SECRET],
}
HOSTILE = [
    *[("DATABASE_URL", value) for value in DATABASES],
    *[("DIRECT_DATABASE_URL", value) for value in DATABASES],
    *[("REDIS_URL", value) for value in REDISES],
    *[("TOKEN_KEY", value) for value in KEYS],
    *[(name, value) for name, values in NUMBERS.items() for value in values],
]
SLIPS = [
    *["POOL_SIZES", "POOL_MAX", "CACHE_SECOND", "CACHE_TTL", "RELAY_ATTEMPTS"],
    *["RELAY_RETRY", "SMTP_PASSWORD", "SMTP_TLS", "TOKEN_KEYS", "TOKEN_SECRET"],
    *["STATEMENT_TIMEOUTS", "LOCK_WAIT", "BODY_SIZE", "DATABASE_URI", "DATABSE_URL"],
    *["REDIS_URLS", "REDISURL", "pool_sizes", "MAIL_SENDER", "DIRECT_DATABASE_URI"],
]
OTHERS = [
    *[
        "BIN",
        "BINDS",
        "PATH",
        "HOME",
        "MAIL",
        "MAILTO",
        "HOSTNAME",
        "LANG",
        "PORT",
        "DATABASE_HOST",
    ],
    *["DATABASE_PASSWORD", "REDIS_PASSWORD", "REDIS_TLS_URL", "DATABASE_POOL_URL"],
    *[
        "REDIS_PORT",
        "REDIS_SERVICE_HOST",
        "REDIS_SERVICE_PORT_TCP",
        "SMTP_SERVICE_HOST",
    ],
    *[
        "SMTP_PORT_25_TCP_ADDR",
        "RELAY_SERVICE_PORT",
        "WEB_ROOT",
        "BIN",
        "BINDS",
        "BIND_IP",
    ],
    *["PROMETHEUS_MULTIPROC_DIR", "FORWARDED_ALLOW_IPS", "UVICORN_ACCESS_LOG", "GATE"],
]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says all that is required."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what the one line of the log says of variables; no secret is in it."""
    written = "".join(capsys.readouterr())
    assert SECRET not in written
    (line,) = map(json.loads, written.splitlines())
    assert line["event"] == "settings_refused"
    told: dict[str, str] = line["variables"]
    return told


# --8<-- [start:hostile]
@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_a_wrong_value_ends_the_process(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        startup.read(ServerSettings)
    assert end.value.code == WRONG
    assert refused(capsys).keys() == {name}


# --8<-- [end:hostile]


def test_all_that_is_wrong_is_told_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("REDIS_URL")
    environment.setenv("POOL_SIZE", SECRET)
    environment.setenv("POOL_SIZES", SECRET)
    with pytest.raises(SystemExit):
        startup.read(ServerSettings)
    assert refused(capsys).keys() == {"REDIS_URL", "POOL_SIZE", "POOL_SIZES"}


@pytest.mark.parametrize("name", SLIPS)
def test_a_variable_of_ours_that_nothing_reads_is_told(name: str) -> None:
    assert list(unknown([name])) == [name]


@pytest.mark.parametrize(
    "name", [*OTHERS, *sorted(KNOWN), *sorted(map(str.lower, KNOWN))]
)
def test_a_variable_of_others_is_none_of_ours(name: str) -> None:
    assert list(unknown([name])) == []


def test_what_kubernetes_sets_is_known() -> None:
    assert LINK.fullmatch("SMTP_PORT_25_TCP_PROTO")


GOOD_URLS = [
    *["postgresql://", "postgresql://host/name", "postgres://u@[::1]:5432/name"],
    *["postgresql://u:p%2Fw%40@a:1,b:2/name?target_session_attrs=read-write"],
    *["postgresql+asyncpg://u:p:w@%2Fvar%2Frun/name?sslmode=verify-full"],
    *["postgresql:///name?host=/var/run", "postgresql://u:pass!$&'()*+,;=~^|@host/n"],
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_good_address_is_taken(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)
    assert startup.read(Settings).database_url


def test_an_empty_variable_says_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("POOL_SIZE", "")
    environment.setenv("DIRECT_DATABASE_URL", "")
    settings = startup.read(ServerSettings)
    assert (settings.pool_size, settings.direct_database_url) == (5, None)


def test_a_password_is_hidden_as_it_is_written_and_as_it_is_read(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://ann:pass%2Fword@host/name")
    assert {"pass%2Fword", "pass/word"} <= set(secrets_of(startup.read(Settings)))


MODULES = {
    "uvicorn": ["uvicorn", "--factory", "accounts.main:create_app"],
    "gunicorn": ["gunicorn", f"--config={ROOT}/gunicorn.conf.py"],
    "worker": ["celery", "--app=accounts.broker:celery", "worker"],
    "relay": ["accounts.relay"],
    "scheduler": ["accounts.scheduler"],
    "migration": ["alembic", "upgrade", "head"],
}


def start(process: str, told: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a process that must end by itself."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}/src", **GOOD, **told}
    return subprocess.run(
        [PYTHON, "-m", *MODULES[process]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


# --8<-- [start:processes]
@pytest.mark.parametrize("process", MODULES)
def test_each_process_ends_at_once_and_shows_no_value(process: str) -> None:
    wrong = {"DATABASE_URL": DATABASES[0], "POOL_SIZES": SECRET}
    done = start(process, wrong)
    assert done.returncode == WRONG, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (told,) = [line for line in lines if line["event"] == "settings_refused"]
    assert told["variables"].keys() == wrong.keys()
    assert SECRET not in done.stdout + done.stderr


# --8<-- [end:processes]
