"""What the service knows and must not write, in any of its processes."""

import asyncio
import json
import secrets
import subprocess
from importlib.util import find_spec
from pathlib import Path

from accounts import tokens
from dev import processes
from dev.mail import Inbox
from dev.processes import PYTHON, ROOT
from tests.conftest import bearer as token_of
from tests.survival.conftest import Environment, query, serving, wait_until

APP = "tests.survival.planted:create_app"
WAYS = ["parser", "model", "cause", "group", "query", "argument", "row", "settings"]
MIGRATION = '''"""Fail on a row."""
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD CHECK (display_name = '')")
'''


def hide(environment: Environment) -> dict[str, str]:
    """Put secrets into the environment; return them, and others to be sent."""
    names = "PLANTED", "TOKEN_KEY", "PASSWORD", "EMAIL", "NAME"
    hidden = {name: secrets.token_hex(16) for name in names}
    at = f"postgres:{hidden['PASSWORD']}%2F@"
    environment["DATABASE_URL"] = environment["DATABASE_URL"].replace("postgres@", at)
    environment |= {name: hidden[name] for name in ("PLANTED", "TOKEN_KEY")}
    return hidden


# --8<-- [start:secrets]
def test_no_secret_is_logged(environment: Environment, tmp_path: Path) -> None:
    assert find_spec("rich"), "with it, tracebacks could show local variables"
    hidden = hide(environment)
    user = {"email": f"{hidden['EMAIL']}@example.org", "display_name": hidden["NAME"]}
    bearer = {"Authorization": f"Bearer {hidden['PLANTED']}"}
    with (
        serving(processes.uvicorn, environment, tmp_path, app=APP) as server,
        server.client() as client,
    ):
        assert client.get("/planted").status_code == 500
        assert client.post("/users", json=user).status_code == 201
        assert client.post("/users", json=user).status_code == 409
        assert client.post("/users", json=hidden).status_code == 422
        operator = token_of(1, tokens.READ, key=hidden["TOKEN_KEY"])
        secret = f"/users?secret={hidden['PLANTED']}"
        assert client.get(secret, headers=operator).status_code == 200
        assert client.get("/me", headers=bearer).status_code == 401
        for way in WAYS:
            assert client.get(f"/planted/{way}").status_code == 500, way
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines].count("request_failed") == 1 + len(WAYS)
    assert "a surprise with 32 characters" in log
    assert [name for name, value in hidden.items() if value in log] == []


# --8<-- [end:secrets]


def run(environment: Environment, folder: Path, *told: str) -> str:
    """Run a migration that fails; return what it wrote."""
    done = subprocess.run(
        [PYTHON, "-m", "alembic", *told],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


# --8<-- [start:others]
def test_worker_relay_and_migration_log_none_either(
    environment: Environment, inbox: Inbox, tmp_path: Path
) -> None:
    hidden, told = hide(environment), tmp_path / "log"
    del environment["TOKEN_KEY"]  # only the server has it
    inbox.answer = f"550 {hidden['EMAIL']}@example.org is unknown"
    email, url = f"{hidden['EMAIL']}@example.org", environment["DATABASE_URL"]
    rows = f"""WITH one AS (INSERT INTO users (email, display_name)
        VALUES ('{email}', '{hidden["NAME"]}') RETURNING id)
        INSERT INTO outbox (id, task, payload) SELECT gen_random_uuid(),
        'accounts.send_welcome_email',
        json_build_object('user_id', id) FROM one"""  # noqa: S608  known
    with (
        told.open("wb") as log,
        processes.worker(environment, log),
        processes.relay(environment, log),
    ):
        asyncio.run(query(url, rows))
        wait_until(inbox.taking.is_set, told.read_text)
        wait_until(lambda: "refused" in told.read_text(), told.read_text)
        asyncio.run(query(url, "ALTER TABLE outbox RENAME TO moved"))
        wait_until(lambda: "relay_failed" in told.read_text(), told.read_text)
    migrations = tmp_path / "alembic"
    migrations.symlink_to(ROOT / "alembic")
    planted = tmp_path / "planted"
    planted.mkdir()
    head = str(asyncio.run(query(url, "SELECT version_num FROM alembic_version")))
    (planted / "rev_9999_fail.py").write_text(MIGRATION.format(head=head))
    ini = (ROOT / "alembic.ini").read_text()
    places = f"version_locations = %(here)s/alembic/versions:{planted}\n"
    (tmp_path / "alembic.ini").write_text(ini.replace("path_sep", f"{places}path_sep"))
    written = run(environment, tmp_path, "upgrade", "head")
    assert "23514" in written
    for line in written.splitlines():
        assert line.startswith("{"), line
    everything = told.read_text() + written
    assert [name for name, value in hidden.items() if value in everything] == []
    assert "example.org" not in everything


# --8<-- [end:others]
