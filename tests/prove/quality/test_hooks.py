"""What the page on hooks claims: each of its commits, made in a real repository of its own."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.service import SERVICE, ended

FOLDER = "quality/hooks"
BAD, GOOD = 'paid = {  "ann":1 }', 'paid = {"ann": 1}'
SCRIPTS = ["commit.sh", "rewrites.sh", "unstaged.sh", "bypass.sh"]
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Refuse a bad commit before it is made",
    "Let a hook check what you commit and change nothing, and let the pipeline run the same hooks on all files.",
    "Install prek and ruff.",
    "Write the hooks into a file that git tracks, and install them in each clone:",
    "Don't let a hook rewrite what it checks",
    "Don't check the folder in place of the commit",
    "Take into a hook what ends in seconds, and leave the tests to the push or to the pipeline.",
    "Call prek install where your project is set up.",
    "Let your repository refuse a merge until prek run --all-files has passed in the pipeline, and then with --stage pre-push if you have hooks of a push.",
    "Go around the hook with --no-verify, and see the pipeline refuse the commit:",
]


JUDGEMENTS = [
    "We call a command that git runs before it makes a commit, or before it pushes one, a hook.",
]


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command there, where nobody's settings of git and prek hold; return how it ended."""
    others = (
        "GIT",
        "MAKE",
        "MFLAGS",
        "PREK",
        "SKIP",
    )  # a `make test` around us, a hook around that
    ours = {name: told for name, told in os.environ.items() if not name.startswith(others)}
    inside = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "NO_COLOR": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PREK_HOME": f"{folder}.prek",
    }
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=ours | inside)


def repository(folder: Path, config: str = "") -> Path:
    """Make a repository with the hooks of the page, or with others; return its folder."""
    folder.mkdir()
    assert run(folder, "sh", "-eu", SNIPPETS / FOLDER / "install.sh").returncode == 0
    if config:
        (folder / ".pre-commit-config.yaml").write_text(config)
        assert run(folder, "git", "add", ".").returncode == 0
        assert run(folder, "git", "commit", "--no-verify", "--message=Change").returncode == 0
    return folder


def commit(folder: Path, name: str, text: str) -> bool:
    """Write a file and commit it; tell whether the commit was made."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    assert run(folder, "git", "add", "--force", name).returncode == 0
    return run(folder, "git", "commit", "--message=Add").returncode == 0


def local(entry: str) -> str:
    """Return a configuration with one hook of the environment."""
    hook = {"id": "own", "name": "own", "entry": entry, "language": "system", "types": ["python"]}
    return yaml.safe_dump({"repos": [{"repo": "local", "hooks": [hook]}]})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the walk's repositories."""
    return tmp_path_factory.mktemp("hooks")


@pytest.fixture(scope="module")
def walk(base: Path, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, each in a new repository with the hooks installed."""
    session, found = pytestconfig.stash[STATE], Walk()

    def take(name: str) -> None:
        started, script = time.perf_counter(), SNIPPETS / FOLDER / name
        folder = repository(base / script.stem)
        found[name] = done = run(folder, "sh", "-eu", script)
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
        if session.updating:
            script.with_suffix(".out").write_text(done.stdout)

    session.runs[f"{FOLDER}/install.sh"] = Run()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, SCRIPTS))
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    return done.stdout.splitlines()


@pytest.mark.holds("A commit in bad layout is refused, and a good one is made:")
@pytest.mark.proves(f"{FOLDER}/commit.sh")
def test_a_bad_commit_is_refused_and_a_good_one_made(walk: Walk, base: Path) -> None:
    refused, _, made = told(walk, "commit.sh")
    assert (refused, made) == ("the commit: refused", "the commit: made")
    assert run(base / "commit", "git", "show", "HEAD:orders.py").stdout == f"{GOOD}\n"
    assert run(base / "commit", "git", "log", "--format=%s").stdout == (
        "Add orders\nCheck each commit\n"
    )
    assert not commit(base / "commit", "unused.py", "import os\n")  # of lint, the second hook


@pytest.mark.holds(
    "prek passes the names of the staged files of its types to each command.",
    "Without --force-exclude, Ruff reads a file that it is named, though its settings exclude it.",
    "With language: system, prek runs the Ruff that your environment has, and installs none.",
    "The type python has no stubs, so without pyi a file such as orders.pyi goes unread, also with --all-files.",
)
@pytest.mark.proves(f"{FOLDER}/install.sh")
def test_what_the_hooks_are_given(tmp_path: Path) -> None:
    folder = repository(tmp_path / "named", local("sh -c 'echo \"$@\" >> ../named.txt' sh"))
    (folder / "other.py").touch()
    (folder / "notes.md").write_text("of no type\n")
    assert run(folder, "git", "add", "notes.md").returncode == 0
    assert commit(folder, "orders.py", f"{GOOD}\n")
    assert (tmp_path / "named.txt").read_text() == "orders.py\n"
    install = (SNIPPETS / FOLDER / "install.sh").read_text()
    assert install.count("language: system") == install.count(" --force-exclude\n") == 2
    folder = repository(tmp_path / "excluded")
    assert commit(folder, "dist/orders.py", f"{BAD}\n")
    assert not [*Path(f"{folder}.prek").glob("hooks/*"), *Path(f"{folder}.prek").glob("repos/*")]
    folder = repository(tmp_path / "read", local("ruff format --check"))
    assert not commit(folder, "dist/orders.py", f"{BAD}\n")
    assert install.count("types_or: [python, pyi]\n") == 2
    assert not commit(repository(tmp_path / "stubs"), "orders.pyi", f"{BAD}\n")
    folder = repository(tmp_path / "unread", local("ruff format --check"))
    assert commit(folder, "orders.pyi", f"{BAD}\n")
    assert run(folder, "prek", "run", "--all-files").returncode == 0
    assert run(folder, "ruff", "format", "--check", ".").returncode == 1


@pytest.mark.holds(
    "A hook lays out a file, the commit is made, and the commit holds the old layout.",
    "The hook changed the folder, and git had taken the file before.",
    "prek refuses a commit whose hook changes a file that git tracks, whatever status the hook ends with.",
    "A hook that adds its change by git add passes, and then nobody saw what is in the commit.",
)
@pytest.mark.proves(f"{FOLDER}/rewrites.sh")
def test_a_hook_that_rewrites_commits_the_old_file(walk: Walk, tmp_path: Path) -> None:
    lines = ["the commit: made", f"in the commit: {BAD}", f"in the folder: {GOOD}"]
    assert told(walk, "rewrites.sh") == lines
    assert "1 file reformatted" in walk["rewrites.sh"].stderr
    folder = repository(tmp_path / "changes", local("ruff format"))
    assert run(folder, "ruff", "format", ".").returncode == 0  # so the hook's status is 0
    assert not commit(folder, "orders.py", f"{BAD}\n")
    assert (folder / "orders.py").read_text() == f"{GOOD}\n"
    assert commit(folder, "orders.py", f"{GOOD}\n")
    folder = repository(tmp_path / "writes", local("sh -c 'echo 1 > written.txt'"))
    assert commit(folder, "orders.py", f"{GOOD}\n")  # git doesn't track what the hook wrote
    adds = 'sh -c \'ruff format --quiet "$@"; git add "$@"\' sh'
    folder = repository(tmp_path / "adds", local(adds))
    assert commit(folder, "orders.py", f"{BAD}\n")
    assert run(folder, "git", "show", "HEAD:orders.py").stdout == f"{GOOD}\n"


@pytest.mark.holds(
    "This hook checks, and it reads the wrong file:",
    "prek puts away the changes that aren't staged, runs the hooks, and brings them back.",
    "Where prek is killed, it brings nothing back: the newest file in ~/.cache/prek/patches has the changes, and git apply puts them into the folder.",
    "It leaves a new file where it is, so tests that import a module which nobody added are green in the hook and red in a clone.",
)
@pytest.mark.proves(f"{FOLDER}/unstaged.sh")
def test_a_hook_that_reads_the_folder_passes_another_file(
    walk: Walk, base: Path, tmp_path: Path
) -> None:
    made, inside, *_, refused = told(walk, "unstaged.sh")
    assert (made, inside) == ("the commit: made", f"in the commit: {BAD}")
    assert refused == "with prek: refused"
    assert (base / "unstaged/orders.py").read_text() == f"{GOOD}\n"
    assert run(base / "unstaged", "git", "show", ":orders.py").stdout == f"{BAD}\n"
    config = yaml.safe_load(local("python -m pytest --quiet -p no:cacheprovider"))
    config["repos"][0]["hooks"][0] |= {"pass_filenames": False, "always_run": True}
    folder = repository(tmp_path / "unadded", yaml.safe_dump(config))
    test = "import rates\n\n\ndef test_rates() -> None:\n    assert rates.VAT == 25\n"
    (folder / "rates.py").write_text("VAT = 25\n")
    assert commit(folder, "test_rates.py", test)  # rates.py is in no commit
    assert run(folder, "git", "clone", "--quiet", ".", "../clone").returncode == 0
    assert run(tmp_path / "clone", "python", "-m", "pytest").returncode == 2
    assert run(folder, "git", "add", "rates.py").returncode == 0
    (folder / "rates.py").write_text("VAT = 0\n")
    assert commit(folder, "orders.py", "VAT = 1\n")  # the hook reads what is staged
    assert (folder / "rates.py").read_text() == "VAT = 0\n"
    folder = repository(tmp_path / "killed", local("sh -c 'kill -9 $PPID' sh"))
    (folder / "orders.py").write_text("paid = 1\n")
    assert run(folder, "git", "add", "orders.py").returncode == 0
    (folder / "orders.py").write_text("paid = 2\n")
    home = f"HOME={tmp_path}"
    killing = ["env", "-u", "PREK_HOME", "-u", "XDG_CACHE_HOME", home, "git", "commit", "-mA"]
    assert run(folder, *killing).returncode == 1
    assert (folder / "orders.py").read_text() == "paid = 1\n"
    place = "~/.cache/prek/patches"
    (patch,) = tmp_path.glob(f"{place.removeprefix('~/')}/*.patch")
    bring_back = "git apply"
    assert run(folder, *bring_back.split(), patch).returncode == 0
    assert (folder / "orders.py").read_text() == "paid = 2\n"


@pytest.mark.holds(
    "git add copies a file into the index.",
    "git commit runs the hook, and then makes the commit from the index.",
    "A file that the hook changes in the folder isn't in the index until somebody adds it.",
    "git merge, git rebase, git cherry-pick and git revert make a commit without this hook.",
)
def test_a_commit_is_made_from_the_index(tmp_path: Path) -> None:
    folder = repository(tmp_path / "index")
    hook = "#!/bin/sh\ngit show :orders.py > ../index.txt\necho 'paid = 2' > orders.py\n"
    (folder / ".git/hooks/pre-commit").write_text(hook)
    assert commit(folder, "orders.py", "paid = 1\n")
    assert (tmp_path / "index.txt").read_text() == "paid = 1\n"
    assert run(folder, "git", "show", "HEAD:orders.py").stdout == "paid = 1\n"
    assert run(folder, "git", "show", ":orders.py").stdout == "paid = 1\n"
    assert run(folder, "git", "add", "orders.py").returncode == 0
    assert run(folder, "git", "show", ":orders.py").stdout == "paid = 2\n"
    (folder / ".git/hooks/pre-commit").write_text("#!/bin/sh\nexit 1\n")
    assert not commit(folder, "orders.py", "paid = 3\n")
    grow = "echo 1 > {}; git add {}; git commit --quiet --no-verify --message=Add"
    other = f"git switch --quiet -c other; {grow.format('other', 'other')}"
    ours = f"git switch --quiet main; {grow.format('ours', 'ours')}"
    assert run(folder, "sh", "-euc", f"{other}; {ours}").returncode == 0
    for made in (
        "git switch other && git rebase main",
        "git switch main && git revert --no-edit HEAD",
        "git cherry-pick other",
        "git merge --no-edit other",
    ):
        before = run(folder, "git", "rev-parse", "--all").stdout
        assert run(folder, "sh", "-euc", made).returncode == 0
        assert run(folder, "git", "rev-parse", "--all").stdout != before


@pytest.mark.holds(
    "The service's hooks run the gates of a tier: XS at each commit, and S at each push.",
    "Each calls make, so you run by hand what the hook runs.",
    "At a push, prek puts nothing away: a mend that isn't in a commit lets a broken commit pass.",
    "Without --stage pre-push, prek run --all-files runs no hook of a push, and is green.",
    "S tests one module, which is tests/test_handlers.py unless TEST names yours.",
)
def test_the_hooks_of_the_service_call_make(tmp_path: Path) -> None:
    folder = repository(tmp_path / "accounts", (SERVICE / ".pre-commit-config.yaml").read_text())
    assert run(folder, "prek", "install", "--overwrite").returncode == 0
    hooks = {path.name for path in (folder / ".git/hooks").iterdir() if path.suffix != ".sample"}
    assert hooks == {"pre-commit", "pre-push"}
    rules = "xs:\n\tgrep -q xs gates\ns:\n\tgrep -q push gates\n"
    assert not commit(folder, "Makefile", rules)
    assert commit(folder, "gates", "xs\n")
    assert run(folder, "git", "init", "--quiet", "--bare", "../there").returncode == 0
    assert run(folder, "git", "push", "../there", "main").returncode == 1
    (folder / "gates").write_text("xs push\n")  # a mend that is in no commit
    assert run(folder, "git", "push", "../there", "main").returncode == 0
    assert run(folder, "git", "show", "main:gates").stdout == "xs\n"
    assert run(folder, "git", "restore", "gates").returncode == 0
    assert [run(folder, "make", gate).returncode for gate in ("xs", "s")] == [0, 2]  # by hand
    of_all = "prek run --all-files"
    pipeline = [of_all, f"{of_all} --stage pre-push"]
    assert [run(folder, *gate.split()).returncode for gate in pipeline] == [0, 1]
    assert commit(folder, "gates", "xs push\n")
    assert run(folder, "git", "push", "../there", "main").returncode == 0
    make = ["make", "--dry-run", "READY=ready", "s"]
    (folder / "ready").touch()
    (folder / "Makefile").write_text((SERVICE / "Makefile").read_text())
    assert run(folder, *make).stdout.endswith(" -m dev.gate s tests/test_handlers.py\n")
    told_of = run(folder, *make, "TEST=tests/test_mail.py").stdout
    assert told_of.endswith(" -m dev.gate s tests/test_mail.py\n")


@pytest.mark.holds(
    "Or the pipeline refuses what a check on your own machine could have told before the commit.",
    "Without --all-files, prek looks at staged files alone, and a fresh clone has no staged file.",
    "No hook can refuse who goes around it, so a hook saves time, and the pipeline is the gate.",
)
@pytest.mark.proves(f"{FOLDER}/bypass.sh")
def test_the_pipeline_sees_what_went_around_the_hook(walk: Walk, base: Path) -> None:
    made, no_hook, *skipped, green = told(walk, "bypass.sh")[:5]
    assert (made, no_hook) == ("the commit: made", "a clone has no hook")
    assert all(line.endswith("(no files to check)Skipped") for line in skipped)
    assert green == "without --all-files: green"
    assert told(walk, "bypass.sh")[-1] == "the pipeline: refused"
    clone = base / "bypass/pipeline"
    assert run(clone, "git", "diff", "--cached", "--name-only").stdout == ""
    (clone / "orders.py").write_text(f"{GOOD}\n")
    assert run(clone, "prek", "run", "--all-files").returncode == 0
