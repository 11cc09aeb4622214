"""The commands of the service's README, as they stand there, in a folder with nothing else.

They run in a project that was made from it, under another name.
"""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import urllib.request
from pathlib import Path

import pytest

from tests.engine.pages import ROOT
from tests.new.clone import Place, inside
from tests.parts.server import free_port
from tests.parts.service import SERVICE
from tests.service.conftest import copy_to, make, shell, typed

KEY = "of 32 bytes, and of this test only"
VENV = str(ROOT / ".venv/service")
README = (SERVICE / "README.md").read_text()
ELSEWHERE = {
    "make l": "test_it_passes_the_gates_of_the_largest_change",
    "make m": "test_the_gates_of_a_tier_are_among_those_of_the_next",
    "DATABASE_URL=postgresql://user:password@host/name REDIS_URL=redis://host/0 make run": (
        "its own tests/survival/test_run.py, on parts that run"
    ),
}
pytestmark = pytest.mark.timeout(600)  # seconds: some of the commands take their time

AROUND = """
all:
\t$(MAKE) -j2 -C accounts test
"""


def commands() -> list[str]:
    """Return the commands of the README: the lines of its fences, and those in sentences."""
    fences = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    inline = re.findall(r"`((?:[A-Z_]+=\S+ )*make \w[^`]*)`", README)
    return list(dict.fromkeys([*"".join(fences).splitlines(), *inline]))


def run(copy: Path, line: str, **environment: str) -> str:
    """Run a line in the environment that is there already; return what it says when it is green."""
    status, said = typed(copy, line, VENV=VENV, **inside(copy), **environment)
    assert status == 0, said
    return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was made from the service, where nothing else of this project is.

    It shares an environment, which must be up to date.
    """
    subprocess.run(["make", "--silent", ".venv/service/ready"], cwd=ROOT, env=shell(), check=True)
    place = Place(tmp_path_factory.mktemp("commands"))
    (place.folder / "playbook").symlink_to(ROOT)
    desk = place.folder / "order-desk"
    made = place.make(desk.name, str(desk))
    assert made.returncode == 0, made.stdout
    place.install(desk)
    return desk


def test_each_command_of_the_readme_runs_somewhere() -> None:
    held = {*RUN, *ELSEWHERE, "make run", "make lock", "make help"}
    assert set(commands()) <= held
    assert {"make run", "make xs", "make l", "make lock"} <= set(commands())


def index_is_away() -> bool:
    """Tell whether no package can be looked up."""
    probe = [f"{VENV}/bin/uv", "pip", "compile", "--quiet", "--no-cache", "-"]
    for more in ([], ["--system-certs"]):
        done = subprocess.run([*probe, *more], input="packaging", capture_output=True, text=True)
        if done.returncode == 0:
            return False
    return True


FITS = (
    "tests/survival/test_gateway.py::test_the_gateway_waits_longer_than_the_service_and_keeps_less"
)
RUN = {
    "make xs": "xs lint: ruff check .",
    "make s TEST=tests/test_handlers.py": "s module: pytest tests/test_handlers.py",
    "TOKEN_KEY=… make token ID=1": "",
}


@pytest.mark.parametrize("line", RUN)
def test_a_command_runs_as_it_stands(alone: Path, line: str) -> None:
    said = run(alone, line.replace("…", f"'{KEY}'"))
    assert RUN[line] in said
    if "make token" in line:
        assert said.count(".") == 2, said


def test_each_gate_of_the_largest_change_begins(alone: Path) -> None:
    """Each one runs here under another name: two of them narrowly, for they cost minutes."""
    tiers = tomllib.loads((alone / "tiers.toml").read_text())["tiers"]
    rest = {*tiers["l"]["gates"]} - {*tiers["s"]["gates"]}  # `make s` runs above
    assert rest == {"layers", "suite", "survival"}  # the first has its test below
    said = run(alone, f"{VENV}/bin/pytest --quiet tests/test_addresses.py {FITS}")
    assert " passed" in said
    assert "-m dev.gate l\n" in run(alone, "make --dry-run l")


def test_its_layers_hold(alone: Path) -> None:
    said = run(alone, f"{VENV}/bin/lint-imports --no-logo --no-cache")
    assert "3 kept, 0 broken" in said


def test_each_command_is_listed(alone: Path) -> None:
    rules = re.findall(r"^([a-z]+):.*## ", (alone / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^make (\w+)", run(alone, "make help"), re.MULTILINE) == rules


def test_the_gates_of_a_tier_are_among_those_of_the_next() -> None:
    tiers = tomllib.loads((SERVICE / "tiers.toml").read_text())["tiers"]
    assert set(tiers["xs"]["gates"]) < set(tiers["m"]["gates"]) < set(tiers["l"]["gates"])
    assert tiers["m"]["coverage"] < tiers["l"]["coverage"]


def test_the_locks_are_renewed(alone: Path, tmp_path: Path) -> None:
    if index_is_away():
        pytest.skip("NO LOCK RENEWED: no package index answers")  # a network has one
    copy = copy_to(tmp_path / "accounts")
    before = {lock: lock.stat().st_mtime_ns for lock in copy.glob("requirements*.txt")}
    with tempfile.TemporaryDirectory(dir=ROOT / ".venv") as folder:
        venv = Path(folder, "service")  # a twin, which is then brought up to the new lock
        shutil.copytree(VENV, venv, symlinks=True, copy_function=os.link)
        status, said = typed(copy, "make lock", VENV=str(venv))
    assert status == 0, said
    assert len(before) == 3
    for lock, time in before.items():
        assert lock.stat().st_mtime_ns > time
        assert "--hash=sha256:" in lock.read_text()


def test_make_run_serves_until_it_is_interrupted(alone: Path) -> None:
    port = free_port()
    with subprocess.Popen(
        ["make", "run"],
        cwd=alone,
        env=shell(VENV=VENV, PORT=str(port), **inside(alone)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if "Ctrl-C ends it." in line:
                break
        url = f"http://127.0.0.1:{port}/readyz"
        assert urllib.request.urlopen(url).status == 200
        process.terminate()
        said = process.stdout.read()
    assert said.splitlines()[-1] == "Ended.", said


@pytest.mark.usefixtures("alone")
def test_a_make_around_it_changes_nothing(tmp_path: Path) -> None:
    copy = copy_to(tmp_path / "accounts")
    tests = [*copy.glob("tests/test_*.py"), *copy.glob("tests/*/test_*.py")]
    for test in tests:
        if test.name != "test_run.py":
            test.unlink()
    (tmp_path / "Makefile").write_text(AROUND)
    one = "-k 'ends_it and 15'"  # what make says would come after its last line
    told = {"VENV": VENV, "PYTEST_ADDOPTS": one}
    status, said = make(tmp_path, "-j2", "-C", str(tmp_path), **told)
    assert status == 0, said
    assert "Leaving directory" in said
    assert re.search(r"\b1 passed in", said), said
