"""What the page on the scope of a change claims."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run

FOLDER = "decide/scope"
SCOPE = SNIPPETS / FOLDER / "scope.toml"
SERVICE = SNIPPETS / "service"
COMMAND = (
    "rm -f base.py && git show origin/main:scope.py > base.py && python -I base.py origin/main"
)
PIPED = "git show origin/main:scope.py | python - origin/main"
FIRST = "alembic/versions/0001_users.py"


INSTRUCTIONS = [
    "Write a scope that a check can hold",
    "Write for each change which files it may touch and what that does, and which files it must not touch and why.",
    "If you don't know whether a file belongs in, leave it out, and agree on another scope when you need it.",
    "Name paths, each with a sentence that a reviewer can hold the change against.",
    "Merge this file before the branch begins:",
    "Don't compare the names of changed files as git lists them.",
    'Don\'t write "no new migrations, use the existing pattern": it forbids and allows at once.',
    "Name the path, and say what to do instead.",
    "Agree on scope.toml with the reviewer, and merge it into the main branch.",
    "Run the check below on each pull request, against that branch, and run the program of that branch too: a pull request that edits scope.py has its own.",
    "Change the scope in a pull request of its own, with no other file, and read it with care: the check passes it.",
]


JUDGEMENTS = [
    "We call what a change may touch its scope.",
]


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a scope on its main branch, in which a branch has begun."""
    monkeypatch.chdir(tmp_path)
    for name in ("USER", "AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("init", "--quiet", "--initial-branch=main")
    files = [FIRST, "src/accounts/api/users.py", "src/accounts/logs.py", "Dockerfile", "README.md"]
    for number, file in enumerate(files):
        write(file, "".join(f"line {number} {n}\n" for n in range(20)))
    write("scope.toml", SCOPE.read_text())
    commit()
    git("switch", "--quiet", "--create", "limits")
    return tmp_path


def git(*words: str) -> None:
    """Run git in the folder."""
    subprocess.run(["git", *words], check=True, capture_output=True)


def write(file: str, text: str) -> None:
    """Write a file of the repository."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text)


def commit() -> None:
    """Commit all that there is."""
    git("add", "--all")
    git("commit", "--quiet", "--message", "Change")


@pytest.mark.holds(
    "By default git shows a file that was moved under its new name alone.",
    "A branch moved a migration into src/accounts/api, and the check stayed green.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/scope.py",
        pytest.param(
            f"{FOLDER}/renamed.py",
            marks=pytest.mark.xfail(  # git lists the new name alone
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="the check is green"),
            ),
        ),
    ],
    indirect=True,
)
def test_a_file_that_moves_out_is_told(snippet: ModuleType, branch: Path) -> None:
    git("mv", FIRST, "src/accounts/api/first.py")
    commit()
    told = snippet.refusals("main", tomllib.loads(SCOPE.read_text()))
    assert [line.split()[0] for line in told] == [FIRST], "the check is green"


OUT = {
    FIRST: "alembic",
    "alembic/versions/0002 añadido.py": "alembic",
    "src/accounts/logs.py": "src/accounts/logs.py",
    "Dockerfile": "Dockerfile",
}


@pytest.mark.holds(
    "A change that limits sign-ups also moves a migration and mends the log format, and the reviewer finds out when the deployment fails.",
    "It is green on a change in scope and on what others merged meanwhile, another scope included, and red on each file that the scope doesn't name.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_branch_is_held_against_its_scope(snippet: ModuleType, branch: Path) -> None:
    write("src/accounts/api/users.py", "answer = 429\n")
    write("src/accounts/allowance.py", "limit = 3\n")
    write("tests/test_allowance.py", "assert True\n")
    commit()
    git("switch", "--quiet", "main")
    for file in OUT:
        write(file, "another's\n")
    write("scope.toml", SCOPE.read_text().replace('"src/accounts/api"', '"README.md"'))
    commit()
    git("switch", "--quiet", "limits")
    assert snippet.main("main") == []
    for file in [*OUT, "README.md"]:
        write(file, "ours\n")
    commit()
    why = tomllib.loads(SCOPE.read_text())["out"]
    reasons = [(file, why[path]) for file, path in OUT.items()]
    reasons.append(("README.md", "scope.toml doesn't name it"))
    cure = "Leave it, or agree on another scope first."
    assert snippet.main("main") == [f"{f} is out of scope: {said}. {cure}" for f, said in reasons]


@pytest.mark.holds("It reads the scope where the branch began, so a branch can't widen its own.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_branch_cannot_widen_its_scope(snippet: ModuleType, branch: Path) -> None:
    write("Dockerfile", "FROM scratch\n")
    write("scope.toml", '[in]\nDockerfile = "ours"\n"scope.toml" = "ours"\n[out]\n')
    commit()
    told = snippet.main("main")
    assert [line.split()[0] for line in told] == ["Dockerfile", "scope.toml"]


@pytest.mark.holds(
    "A merge of the main branch is a new beginning: from then on the scope is the one that it brought.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_merge_brings_the_scope_of_then(snippet: ModuleType, branch: Path) -> None:
    write("src/accounts/api/users.py", "answer = 429\n")
    commit()
    git("switch", "--quiet", "main")
    write("scope.toml", SCOPE.read_text().replace('"src/accounts/api"', '"README.md"'))
    commit()
    git("switch", "--quiet", "limits")
    assert snippet.main("main") == []
    git("merge", "--quiet", "--message", "Merge", "main")
    (line,) = snippet.main("main")
    assert line.startswith("src/accounts/api/users.py is out of scope: scope.toml doesn't name it")


@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_scope_comes_in_a_change_of_its_own(snippet: ModuleType, branch: Path) -> None:
    write("scope.toml", '[in]\nDockerfile = "ours"\n[out]\n')
    commit()
    assert snippet.main("main") == []
    git("switch", "--quiet", "--orphan", "fresh")
    write("README.md", "a repository without a scope\n")
    commit()
    git("switch", "--quiet", "--create", "first")
    write("scope.toml", SCOPE.read_text())
    commit()
    assert snippet.main("fresh") == []
    write("README.md", "more\n")
    commit()
    with pytest.raises(subprocess.CalledProcessError):
        snippet.main("fresh")


@pytest.mark.holds(
    "It can't tell a misspelt path in [in] from a file that is still to come, so the file that you meant is red.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_misspelt_path_inside_guards_nothing(snippet: ModuleType, branch: Path) -> None:
    git("switch", "--quiet", "main")
    write("scope.toml", SCOPE.read_text().replace("src/accounts/api", "src/account/api"))
    commit()
    git("switch", "--quiet", "--create", "late")
    write("src/accounts/api/users.py", "answer = 429\n")
    commit()
    (line,) = snippet.main("main")
    assert line.startswith("src/accounts/api/users.py is out of scope: scope.toml doesn't name it")
    assert "[in]" in SCOPE.read_text()


@pytest.mark.holds("A path in [out] that guards nothing, such as a misspelt one, is refused.")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_a_path_that_guards_nothing_is_refused(snippet: ModuleType, branch: Path) -> None:
    git("switch", "--quiet", "main")
    write("scope.toml", SCOPE.read_text().replace('"alembic"', '"alembics"'))
    commit()
    assert "[out]" in SCOPE.read_text()
    git("switch", "--quiet", "--create", "late")
    write("src/accounts/allowance.py", "limit = 3\n")
    commit()
    with pytest.raises(ValueError, match="names alembics, which isn't there"):
        snippet.main("main")


@pytest.mark.holds(
    "Don't pipe that file into python: where git can't show it, Python runs nothing and is green.",
    "Without the rm, a branch that brings base.py as a link to /dev/null is green as well.",
    "With -I, Python doesn't import a tomllib.py that the branch brings.",
)
@pytest.mark.proves(f"{FOLDER}/scope.py")
def test_nothing_is_green_without_its_program(branch: Path) -> None:
    write("Dockerfile", "FROM scratch\n")
    write("tomllib.py", "raise SystemExit\n")
    commit()
    assert subprocess.run(["sh", "-c", PIPED], capture_output=True).returncode == 0
    assert subprocess.run(["sh", "-c", COMMAND], capture_output=True).returncode
    git("switch", "--quiet", "main")
    write("scope.py", (SNIPPETS / FOLDER / "scope.py").read_text())
    commit()
    git("update-ref", "refs/remotes/origin/main", "main")
    git("switch", "--quiet", "limits")
    done = subprocess.run(["sh", "-c", COMMAND], capture_output=True, text=True)
    assert done.returncode == 1 and "Dockerfile is out of scope" in done.stderr
    unsafe = COMMAND.replace(" -I", "")
    assert subprocess.run(["sh", "-c", unsafe], capture_output=True).returncode == 0
    for command, status in (COMMAND.removeprefix("rm -f base.py && "), 0), (COMMAND, 1):
        Path("base.py").unlink()
        Path("base.py").symlink_to("/dev/null")
        assert subprocess.run(["sh", "-c", command], capture_output=True).returncode == status


@pytest.mark.proves(f"{FOLDER}/scope.py")
def test_the_program_of_the_base_runs(branch: Path) -> None:
    git("switch", "--quiet", "main")
    write("scope.py", (SNIPPETS / FOLDER / "scope.py").read_text())
    commit()
    git("update-ref", "refs/remotes/origin/main", "main")
    git("switch", "--quiet", "--create", "sly")
    write("scope.py", "# green\n")
    commit()
    done = subprocess.run(["sh", "-c", COMMAND], capture_output=True, text=True)
    assert done.returncode == 1
    assert "scope.py is out of scope" in done.stderr


@pytest.mark.holds(
    "A change of behaviour inside the named files it can't see: that is what the sentences are for.",
    "In GitHub's workflows set fetch-depth: 0, so that git finds where the branch began.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/scope.py"], indirect=True)
def test_what_the_check_cannot_know(snippet: ModuleType, branch: Path) -> None:
    write("src/accounts/api/users.py", "answer = 200  # to all\n")
    commit()
    assert snippet.main("main") == []
    git("checkout", "--quiet", "--orphan", "shallow")  # what a clone without history is
    commit()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        snippet.main("main")
    assert "no merge base" in refused.value.stderr, "fetch-depth: 0 brings it"


@pytest.mark.holds(
    "Run rm -f base.py && git show origin/main:scope.py > base.py && python -I base.py origin/main at the top of the branch.",
    "Without a base it ends red.",
)
@pytest.mark.proves(f"{FOLDER}/scope.py")
def test_the_program_ends_red(
    branch: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    pytestconfig.stash[STATE].runs[f"{FOLDER}/scope.py"] = Run()  # it has to end red
    write("Dockerfile", "FROM scratch\n")
    commit()
    git("update-ref", "refs/remotes/origin/main", "main")
    program = str(SNIPPETS / FOLDER / "scope.py")
    monkeypatch.setattr(sys, "argv", [program, COMMAND.rsplit(maxsplit=1)[-1]])
    with pytest.raises(SystemExit, match="Dockerfile is out of scope: the service starts"):
        runpy.run_path(program, run_name="__main__")
    monkeypatch.setattr(sys, "argv", [program])
    with pytest.raises(SystemExit, match="Name the base"):
        runpy.run_path(program, run_name="__main__")


@pytest.mark.holds(
    "no new migrations | alembic",
    "no other logging | src/accounts/logs.py",
    "no other way to start the container | Dockerfile",
    "A sentence that holds for every change is no scope.",
    "A scope says what this change leaves alone.",
    "Each wish becomes a path:",
    "Make it a gate: that functions have hints is checked by ANN in the rules of the service and by mypy, and who may call whom by lint-imports.",
)
@pytest.mark.proves(f"{FOLDER}/scope.toml")
def test_each_path_of_the_scope_is_one_of_the_service() -> None:
    scope = tomllib.loads(SCOPE.read_text())
    assert list(scope["out"]) == ["alembic", "src/accounts/logs.py", "Dockerfile"]
    assert all((SERVICE / path).exists() for part in scope.values() for path in part)
    tools = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]
    gates = tomllib.loads((SERVICE / "tiers.toml").read_text())["gates"]
    assert "ANN" in tools["ruff"]["lint"]["select"]
    assert tools["mypy"]["strict"]
    assert "mypy" in str(gates["types"])
    assert "lint-imports" in str(gates["layers"])
