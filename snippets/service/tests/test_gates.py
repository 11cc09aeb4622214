"""Each gate of a change, on a copy of the project in which something is wrong."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev import gate
from dev.keeper import kept
from dev.processes import ROOT
from tests.survival.conftest import wait_until

LEFT_OUT = shutil.ignore_patterns(".[!m]*", "__pycache__", "htmlcov", "*.egg-info")
PLANTED = {
    "format": ("x = {  'a':1 }\n", "would be reformatted"),
    "lint": ('"""Docstring."""\n\nimport os\n', "F401"),
    "types": ('"""Docstring."""\n\nx: int = "a"\n', "Incompatible types in assignment"),
    "layers": ('"""Docstring."""\n\nfrom accounts.api import handlers\n', "BROKEN"),
}
HERE = "src/accounts/repositories/planted.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, copied elsewhere."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=LEFT_OUT)


def run(copy: Path, command: list[str]) -> tuple[int, str]:
    """Run a command in the copy; return its exit status and what it wrote."""
    program = Path(sys.executable).parent / command[0]
    environment = {"PYTHONPATH": f"{copy}/src:{copy}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [program, *command[1:]],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


# --8<-- [start:planted]
@pytest.mark.parametrize("name", PLANTED)
def test_a_gate_refuses_what_it_is_there_for(copy: Path, name: str) -> None:
    command = gate.commands("l")[name]
    wrong, told = PLANTED[name]
    typed_before = (copy / ".mypy_cache").exists()
    if name != "types" or typed_before:  # without a cache, all types take long
        assert run(copy, command)[0] == 0
    (copy / HERE).write_text(wrong)
    if name == "types" and not typed_before:
        command.append(HERE)
    status, written = run(copy, command)
    assert status != 0
    assert told in written


# --8<-- [end:planted]


HANDLERS, API = "src/accounts/api/handlers.py", "accounts.api.handlers"
TWICE = {
    "a route of another parameter": (
        HANDLERS,
        '@router.get("/users/{number}")\nasync def again(number: int) -> None: ...',
        [f"two routes for GET /users/{{number}}: {API}.read_user", f"{API}.again"],
    ),
    "a route behind a wider one": (
        HANDLERS,
        '@router.patch("/users/all")\nasync def all_users() -> None: ...',
        [f"two routes for PATCH /users/all: {API}.update_user", f"{API}.all_users"],
    ),
    "a route of another module": (
        "src/accounts/api/health.py",
        '@router.get("/me")\nasync def me() -> None: ...',
        ["two routes for GET /me: ", f"{API}.read_me", "accounts.api.health.me"],
    ),
    "a router that nobody includes": (
        "src/accounts/api/health.py",
        'late = APIRouter()\n\n@late.get("/late")\nasync def tell() -> None: ...',
        ["no app includes the route of accounts.api.health.tell"],
    ),
    "an error handler": (
        "src/accounts/api/errors.py",
        "def again(app: FastAPI) -> None:\n    first(app)\n"
        "    app.add_exception_handler(OSError, answer)\n\n"
        "first, install = install, again",
        ["two error handlers for builtins.OSError", "answer_database_error", "answer:"],
    ),
    "a middleware": (
        "src/accounts/middleware/__init__.py",
        "def again(app: Starlette) -> None:\n    first(app)\n"
        "    app.add_middleware(Measuring)\n\nfirst, install = install, again",
        ["two middlewares for accounts.middleware.measuring.Measuring"],
    ),
    "a task": (
        "src/accounts/tasks.py",
        "@celery.task(name=DELIVER)\ndef again() -> None: ...",
        ["two tasks for accounts.deliver", "accounts.tasks.again"],
    ),
    "a setting": (
        "src/accounts/config.py",
        "class Old(ServerSettings):\n    old: int = 1\n\nServerSettings = Old",
        ["nobody reads OLD"],
    ),
}


# --8<-- [start:twice]
def test_the_gate_of_wiring_names_what_is_there_in_vain(copy: Path) -> None:
    for file, planted, _ in TWICE.values():
        with (copy / file).open("a") as module:
            module.write(f"\n\n{planted}\n")
    status, written = run(copy, gate.commands("m")["wiring"])
    assert status == 1, written
    lines = [line for line in written.splitlines() if not line.startswith("{")]
    assert len(lines) == len(TWICE), lines
    missed = {
        what: told
        for what, (_, _, told) in TWICE.items()
        if not any(all(part in line for part in told) for line in lines)
    }
    assert missed == {}, lines


def test_the_gate_of_wiring_lets_pass_what_is_there_once(copy: Path) -> None:
    assert run(copy, gate.commands("s")["wiring"])[0] == 0


# --8<-- [end:twice]


def test_the_gate_of_coverage_refuses_too_little(copy: Path) -> None:
    (copy / "test_planted.py").write_text("def test_nothing(): import accounts")
    (copy / "src/accounts/planted").mkdir()
    (copy / "src/accounts/planted/alone.py").write_text("ALONE = True\n")
    status, written = run(copy, gate.commands("s", "test_planted.py")["module"])
    assert status != 0
    assert re.search(r"src/accounts/planted/alone.py .* 0.00%", written)
    assert "Required test coverage of 50.01% not reached" in written


def test_a_gate_of_one_module_takes_several_files() -> None:
    told = "tests/test_config.py", "tests/test_addresses.py"
    assert gate.commands("s", *told)["module"][:3] == ["pytest", *told]
    assert gate.commands("s")["module"][:2] == ["pytest", gate.MODULE]


def test_a_tier_ends_at_the_first_gate_that_fails(copy: Path) -> None:
    (copy / "dev/planted.py").write_text(PLANTED["format"][0])
    status, written = run(copy, ["python", "-m", "dev.gate", "xs"])
    assert status != 0
    assert written.splitlines()[-1] == "xs format: failed"


WAITS = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("waits", flush=True)
signal.sigwait({signal.SIGTERM})
print("cleans up")
raise SystemExit(3)
"""


def test_a_tier_that_is_told_to_stop_lets_its_gate_clean_up(copy: Path) -> None:
    (copy / "waits.py").write_text(WAITS)
    tiers = (copy / "tiers.toml").read_text()
    tiers = re.sub(r"(?m)^format = .*", 'format = "python waits.py"', tiers)
    (copy / "tiers.toml").write_text(tiers)
    log = copy / "log"
    command = [sys.executable, "-m", "dev.gate", "xs"]
    with (
        log.open("wb") as output,
        kept(command, folder=copy, keep_folder=True, log=output) as running,
    ):
        wait_until(lambda: "waits\n" in log.read_text(), log.read_text)
        running.signal(signal.SIGTERM)
        assert running.wait(30) == 3
    assert log.read_text().splitlines()[1:] == [
        "waits",
        "cleans up",
        "xs format: failed",
    ]


@pytest.mark.parametrize(
    ("tier", "limit"), [("xs", None), ("s", 50), ("m", 70), ("l", 80)]
)
def test_coverage_must_be_above_its_limit(tier: str, limit: int | None) -> None:
    told = [word for command in gate.commands(tier).values() for word in command]
    limits = [word for word in told if word.startswith("--cov-fail-under")]
    assert limits == ([f"--cov-fail-under={limit}.01"] if limit else [])
