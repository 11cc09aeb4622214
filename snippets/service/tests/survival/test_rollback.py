"""Back to the release before, in the order that works."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dev import processes
from dev.processes import ROOT
from tests.fixtures.sample_data import ANN, BOB
from tests.survival.conftest import Environment, serving


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The release before: it says `name`, and knows no part of the migration."""
    release = tmp_path / "before"
    left_out = shutil.ignore_patterns("__pycache__", "rev_000[3-9]*", "rev_00[1-9]*")
    for folder in ("src", "alembic"):
        shutil.copytree(ROOT / folder, release / folder, ignore=left_out)
    shutil.copy(ROOT / "alembic.ini", release)
    for module in release.glob("src/accounts/*/*.py"):
        module.write_text(module.read_text().replace("display_name", "name"))
    return release


def renamed(user: Mapping[str, object]) -> dict[str, object]:
    """Return a user as the release before shows it."""
    return {key.removeprefix("display_"): value for key, value in user.items()}


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
        assert status and "Can't locate revision identified by '00" in told
        assert alembic(ROOT, environment, "downgrade", "0004")[0] == 0
        assert to_new.get(f"/users/{ann['id']}").json() == ann
        assert to_old.get(f"/users/{ann['id']}").json() == renamed(ann)
        bob = to_old.post("/users", json=renamed(BOB)).json()
        assert renamed(to_new.get(f"/users/{bob['id']}").json()) == bob
        path = f"/users/{ann['id']}"
        assert to_old.patch(path, json={"name": "Anna"}).is_success
        assert to_new.get(path).json() == {**ann, "display_name": "Anna"}
        assert to_new.patch(path, json={"display_name": "Anne"}).is_success
        assert to_old.get(path).json() == {**renamed(ann), "name": "Anne"}
        assert to_old.get("/users").json()["users"] == [to_old.get(path).json(), bob]


# --8<-- [end:rollback]
