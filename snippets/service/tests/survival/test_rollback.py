"""Back to the release before, in the order that works."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev import processes
from dev.processes import ROOT
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, serving

NEW, OLD = 'mapped_column("display_name"', 'mapped_column("name"'


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The release before: it knows `name`, and no part of the migration."""
    release = tmp_path / "before"
    left_out = shutil.ignore_patterns("__pycache__", "rev_000[345]*")
    for folder in ("src", "alembic"):
        shutil.copytree(ROOT / folder, release / folder, ignore=left_out)
    shutil.copy(ROOT / "alembic.ini", release)
    model = release / "src/accounts/models/user.py"
    assert NEW in model.read_text()
    model.write_text(model.read_text().replace(NEW, OLD))
    return release


def alembic(release: Path, environment: Environment, *told: str) -> tuple[int, str]:
    """Run a release's migrations; return the exit status and what was written."""
    command = [sys.executable, "-m", "alembic", *told]
    done = subprocess.run(
        command, cwd=release, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


# --8<-- [start:rollback]
def test_a_release_is_rolled_back_and_data_is_kept(
    environment: Environment, before: Path, tmp_path: Path
) -> None:
    environment["CACHE_SECONDS"] = "0"
    old_environment = {**environment, "PYTHONPATH": f"{before}/src"}
    (tmp_path / "new").mkdir()
    with (
        serving(processes.uvicorn, environment, tmp_path / "new") as new,
        serving(processes.uvicorn, old_environment, tmp_path) as old,
        new.client() as to_new,
        old.client() as to_old,
    ):
        ann = to_new.post("/users", json=ANN).json()
        assert to_old.get("/users").status_code == 500
        status, told = alembic(before, old_environment, "downgrade", "-1")
        assert status
        assert "Can't locate revision identified by '0005'" in told

        assert alembic(ROOT, environment, "downgrade", "0004")[0] == 0
        assert to_new.get(f"/users/{ann['id']}").json() == ann
        assert to_old.get(f"/users/{ann['id']}").json() == ann
        bob = to_old.post("/users", json=BOB).json()
        assert to_new.get(f"/users/{bob['id']}").json() == bob
        renamed = {"display_name": "Anna"}
        for client in (to_old, to_new):
            assert client.patch(f"/users/{ann['id']}", json=renamed).is_success
        assert to_old.get("/users").json()["users"] == [{**ann, **renamed}, bob]


# --8<-- [end:rollback]
