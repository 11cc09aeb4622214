"""What the service knows and must not write."""

import json
import secrets
from importlib.util import find_spec
from pathlib import Path

from accounts import tokens
from dev import processes
from tests.conftest import bearer as token_of
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import Environment, serving

APP = "tests.survival.planted:create_app"


# --8<-- [start:secrets]
def test_no_secret_is_logged(environment: Environment, tmp_path: Path) -> None:
    assert find_spec("rich"), "with it, tracebacks could show local variables"
    names = "PLANTED", "TOKEN_KEY", "PASSWORD", "EMAIL"
    hidden = {name: secrets.token_hex(16) for name in names}
    at = f"postgres:{hidden['PASSWORD']}@"
    environment["DATABASE_URL"] = environment["DATABASE_URL"].replace("postgres@", at)
    environment |= {name: hidden[name] for name in ("PLANTED", "TOKEN_KEY")}
    user = {**ANN, "email": f"{hidden['EMAIL']}@example.org"}
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
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines].count("request_failed") == 1
    assert "a surprise with 32 characters" in log
    assert [name for name, value in hidden.items() if value in log] == []


# --8<-- [end:secrets]
