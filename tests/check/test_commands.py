"""The commands that the README and the pages name, run in a copy of the project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import psutil
import pytest

from tests.engine.pages import ROOT
from tests.parts import clock
from tests.parts.copies import copied
from tests.sessions import MEMORY, STARTER, scratch

ROOM = """\
import pytest

def test_room() -> None: ...

@pytest.mark.recorded
def test_after() -> None: ...

@pytest.mark.recorded
@pytest.mark.walk
def test_walk() -> None: ...
"""
WAITS = """\
import pathlib, signal

def test_waits() -> None:
    pathlib.Path("{}").touch()
    signal.pause()
"""
NAV = """nav:
  - Home: index.md
  - Concurrency:
      - concurrency/timeouts.md
  - Contributing:
      - contributing.md
      - drawing.md
      - proof.md
"""
COMMANDS = "snippets/data/commands.toml"
PROFILE = "snippets/concurrency/timeouts/bounded.py"


KEPT = {"index.md", "contributing.md", "drawing.md", "proof.md", "concurrency/timeouts.md"}
WHOLE = {"test_whole.py", "test_prose.py", "test_timeouts.py", "checks.toml"}
WHOLE |= {"test_drawing.py", "test_proof.py"}


def shrink(copy: Path) -> None:
    """Leave of the pages one of a chapter and those that all need, so that a session is short."""
    for page in (copy / "docs").rglob("*.md"):
        path = page.relative_to(copy / "docs")
        if str(path) not in KEPT and path.parts[0] != "generated":
            page.unlink()
    for test in (copy / "tests/prove").rglob("*"):
        made = "generated" in test.parts or test.name in WHOLE or not test.is_file()
        if not made and (test.name.startswith("test_") or test.suffix == ".toml"):
            test.unlink()
    for store in (copy / "tests/prove").rglob("checks.toml"):
        head, *tables = store.read_text().split("\n[")
        kept = [one for one in tables if store.with_name(f"{one.partition(']')[0]}.py").exists()]
        text = "\n[".join([head, *kept])
        store.write_text(re.sub(r"^order = \[\n.*?^\]\n", "", text, flags=re.MULTILINE | re.DOTALL))
    others = {"data", "service", "generated"}
    for folder in [f for f in (copy / "snippets").iterdir() if f.is_dir() and f.name not in others]:
        for path in folder.iterdir():
            if path.name != "timeouts":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    (copy / "snippets/data/inventory.toml").unlink()
    for name in ("README.md", "docs/index.md", "docs/contributing.md"):
        (copy / name).write_text("# Proof\n")  # the last one's own proof is a session
    page = copy / "docs/concurrency/timeouts.md"
    text = re.sub(r"\[([^]]*)\]\(\.\./[^)]*\)", r"\1", page.read_text())  # of other chapters
    page.write_text(
        re.sub(r"\[[^]]*\]\(\w+\.md\)", "[Give every call a timeout](timeouts.md)", text)
    )
    config = (copy / "mkdocs.yml").read_text()
    config = re.sub(r"redirect_maps:\n( {8}.*\n)+", "redirect_maps: {}\n", config)
    before, _, nav = config.partition("\nnav:\n")
    generated = nav[nav.index("  - Generated:") :] if "  - Generated:" in nav else ""
    (copy / "mkdocs.yml").write_text(f"{before}\n{NAV}{generated}")


def commit(copy: Path, message: str) -> None:
    """Commit all of a copy of the project, which becomes a repository of git by that."""
    settings = ["user.name=Test", "user.email=test@example.org"]
    for command in (
        ["init", "-q", "-b", "main"],
        *(["config", *setting.split("=")] for setting in settings),
        ["add", "-A"],
        ["commit", "-qm", message],
    ):
        subprocess.run(["git", *command], cwd=copy, check=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with this environment, in which a session takes a second."""
    copy = copied(tmp_path_factory.mktemp("commands") / "copy")
    shrink(copy)
    (copy / ".venv").symlink_to(sys.prefix)
    listed = (copy / COMMANDS).read_text()
    (copy / COMMANDS).write_text(
        re.sub(r'= "tests/.*"', '= "tests/check/test_room.py::test_room"', listed)
    )
    for room in ("check", "refuse", "service"):
        shutil.rmtree(copy / "tests" / room)
        (copy / "tests" / room).mkdir()
        (copy / "tests" / room / "test_room.py").write_text(ROOM)
    commit(copy, "Start")
    return copy


def typed(copy: Path, line: str) -> str:
    """Run a line in the copy as a reader types it, in a shell that no make and no pytest opened."""
    ours = re.compile("^(PYTEST_ADDOPTS$|MAKE|MFLAGS|GNUMAKE)")
    shell = {name: value for name, value in os.environ.items() if not ours.search(name)}
    path = f"{copy}/.venv/bin:{shell['PATH']}"  # the environment is activated
    done = subprocess.run(
        ["sh", "-c", line], cwd=copy, env={**shell, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(copy: Path, *arguments: str) -> str:
    """Run make in the copy; return what it printed."""
    return typed(copy, shlex.join(["make", *arguments]))


# What has a test of its own, or takes minutes.
ELSEWHERE = {
    "make serve": "test_serve.py",
    "make run": "tests/service, as it stands in the service's README",
    "make mutate": "test_mutate.py",
    "make mutate ONLY=concurrency/timeouts": "test_mutate.py",
    "make bare": "by hand: it installs a system",
    "make parts": "test_parts.py",
    "make publish VERSION=1.2": "test_versions.py",
    "make fresh": "test_fresh.py",
    "make pythons": "test_pythons.py",
}
SAYS = {
    "make test": " passed",
    "make book": "site/book.md",
    "make help": "make test ",
    "make check PAGE=concurrency/timeouts": " passed",
    "pytest docs tests/prove tests/service": " passed",
    "pytest tests/check": "3 passed",
    "pytest tests/refuse": "3 passed",
}


def commands(readme: str) -> set[str]:
    """Return the commands of a README: the lines of its fences, and those in its sentences."""
    fences = "".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)).splitlines()
    return {*fences, *re.findall(r"`((?:make|pytest) [^`]+)`", readme)}


def test_each_command_of_the_readme_runs_somewhere() -> None:
    assert commands((ROOT / "README.md").read_text()) <= {*SAYS, *ELSEWHERE}


@pytest.mark.parametrize("line", SAYS)
def test_a_command_of_the_readme_runs_as_it_stands(copy: Path, line: str) -> None:
    said = typed(copy, line)
    assert SAYS[line] in said
    if line == "make test":
        assert re.findall(r"(\d+) passed", said)[1:] == ["2", "1", "2"], said
        assert (copy / "docs/ledger.json").exists()


def test_each_command_is_listed(copy: Path) -> None:
    listed = set(re.findall(r"^make (\w+)", make(copy, "help"), re.MULTILINE))
    known = {"help", "serve", "parts", "new", "test", "site", "update", "mutate", "lock"}
    known |= {"bench", "bare", "book", "check", "links", "publish", "retract", "successor"}
    assert listed == known | {"changes", "fresh", "pythons", "release"}


def test_update_rewrites_what_is_generated(copy: Path) -> None:
    edits = {
        PROFILE: ("#> profile", "#> stale"),
        "snippets/concurrency/timeouts/check.out": ("All checks", "Some checks"),
        "snippets/data/versions.toml": ('ruff = "', 'ruff = "0.'),
        "docs/concurrency/timeouts.md": ("Ruff 0", "Ruff 9"),
    }
    before = {path: (copy / path).read_text() for path in edits}
    for path, (old, new) in edits.items():
        (copy / path).write_text(before[path].replace(old, new))
    commit(copy, "Go stale")
    said = make(copy, "update")
    assert "-    #> stale" in said
    assert "+    #> profile" in said
    assert {path: (copy / path).read_text() for path in edits} == before


LOCKS = {"requirements.txt": "uv", "requirements-successor.txt": "properdocs"}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_is_declared(name: str) -> None:
    lock = (ROOT / name).read_text()
    pinned = re.findall(r"^([\w-]+)==[^ ]+ ", lock, re.MULTILINE)
    assert LOCKS[name] in pinned
    assert lock.count("--hash=sha256:") > len(pinned)
    assert "://" not in lock  # it names no host
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    its = [group for group in groups if (group == "successor") == ("successor" in name)]
    declared = [each.partition("[")[0] for group in its for each in groups[group]]
    assert set(declared) <= set(pinned)


def test_the_two_generators_render_by_the_same_packages() -> None:
    texts = [(ROOT / name).read_text() for name in LOCKS]
    ours, other = ({*re.findall(r"^([\w-]+)==([^ ]+) ", each, re.MULTILINE)} for each in texts)
    assert {"markdown", "pygments", "pymdown-extensions"} <= {name for name, _ in ours & other}
    assert not {name for name, _ in ours - other} & {name for name, _ in other - ours}


def test_without_a_ledger_the_strict_build_works(copy: Path) -> None:
    (copy / "docs/ledger.json").unlink(missing_ok=True)
    assert make(copy, "book").endswith("site/book.md\n")
    assert (copy / "site/concurrency/timeouts/index.html").exists()
    assert "asyncio.timeout(limit)" in (copy / "site/concurrency/timeouts.md").read_text()
    assert "this page lists the blocks only" in (copy / "site/proof/index.html").read_text()


def test_a_killed_run_ends_and_the_next_one_cleans_up(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, room = copy / "waits", copy / "tests/prove/concurrency/test_a.py"
    room.write_text(WAITS.format(waits))
    run = subprocess.Popen([sys.executable, "-m", "pytest"], cwd=copy, stdout=subprocess.DEVNULL)
    clock.wait(lambda: waits.exists() or run.poll() is not None)
    assert run.poll() is None
    sessions = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.wait()
    psutil.wait_procs(sessions)  # or this test ends at its own limit
    name = f"playbook-{run.pid}-*"
    room.unlink()
    places = (MEMORY, Path(tempfile.gettempdir()))
    assert [left for place in places for left in place.glob(name)]
    for variable in ("TMPDIR", STARTER):
        monkeypatch.setenv(variable, "")
    with scratch():
        assert not [left for place in places for left in place.glob(name)]
