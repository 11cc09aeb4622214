"""What the page on layout claims: its commands, each in a folder of its own, and two real trees."""

import ast
import os
import re
import shutil
import subprocess
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.service import SERVICE, ended

FOLDER = "quality/format"
SETTINGS = (SNIPPETS / FOLDER / "pyproject.toml").read_text()
NOQA = "noqa"  # a mark of its own has a reason, and this is none
PRAGMA = re.compile(r"  # (?:noqa|type: ignore).*$", re.MULTILINE)
LONG = "from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping"
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Lay out code with one tool",
    "Let one tool lay out all code by one configuration, and let the gate refuse what that tool would change.",
    "If you don't know which tool to take, take Ruff.",
    "Install ruff, or black and isort, and write their settings into pyproject.toml:",
    "Write a file in bad layout beside it:",
    "Run the gate, lay out the file, and run the gate again:",
    "Don't leave Black and isort their defaults",
    "Run this on the same file, in a folder without the settings:",
    "Don't let the gate rewrite",
    "Don't take a skipped folder for a clean one",
    "Write the settings of one tool, and delete those of the others.",
    "Lay out all files in one commit that changes nothing else.",
    "Write the hash that it has on the main branch into a file, and name the file with git config blame.ignoreRevsFile .git-blame-ignore-revs.",
    "Let hooks and the pipeline run the gate, by the tier of a change.",
    "List the files that git tracks and Ruff doesn't read.",
]


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command there, where nobody's settings of git hold; return how it ended."""
    inside = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=os.environ | inside)


def green(folder: Path, command: str) -> bool:
    """Tell whether a gate passes there."""
    done = run(folder, *command.split())
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0


def messy(folder: Path, settings: str = SETTINGS) -> Path:
    """Make a folder with the file in bad layout, and return the file."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(settings)
    assert run(folder, "sh", "-eu", SNIPPETS / FOLDER / "messy.sh").returncode == 0
    return folder / "invoices.py"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the walk's folders."""
    return tmp_path_factory.mktemp("format")


@pytest.fixture(scope="module")
def walk(base: Path, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, by the name of their block."""
    session, found = pytestconfig.stash[STATE], Walk()

    def take(name: str) -> None:
        started, script = time.perf_counter(), SNIPPETS / FOLDER / name
        folder = base / script.stem
        file = messy(folder, "" if name == "pingpong.sh" else SETTINGS)
        if name == "seen.sh":
            (folder / "dist").mkdir()
            file.rename(folder / "dist/invoices.py")
            assert run(folder, "git", "init", "--quiet").returncode == 0
            assert run(folder, "git", "add", ".").returncode == 0
        found[name] = done = run(folder, "sh", "-eu", script)
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
        if session.updating:
            script.with_suffix(".out").write_text(done.stdout)

    names = ["ruff.sh", "black.sh", "pingpong.sh", "rewrites.sh", "skipped.sh", "seen.sh"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, names))
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text()
    return done.stdout.splitlines()


@pytest.mark.holds(
    "Or a diff shows lines that changed only their layout, and the change that matters is lost among them.",
)
@pytest.mark.proves(f"{FOLDER}/messy.sh")
def test_a_layout_changes_lines_and_nothing_else(walk: Walk, base: Path, tmp_path: Path) -> None:
    before = messy(tmp_path / "before").read_text().splitlines()
    after = (base / "ruff/invoices.py").read_text().splitlines()
    assert told(walk, "ruff.sh")
    assert not {*before[5:]} & {*after[-2:]}
    assert ast.dump(ast.parse("\n".join(before[5:]))) == ast.dump(ast.parse("\n".join(after[-2:])))


@pytest.mark.proves(f"{FOLDER}/ruff.sh")
def test_ruff_is_red_and_then_green(walk: Walk) -> None:
    first, second, third, *_, formatted, passed = told(walk, "ruff.sh")
    assert (first, second) == (
        "invoices.py:2:29: unformatted: File would be reformatted",
        "1 file would be reformatted",
    )
    assert third.startswith("invoices.py:1:1: I001 ")
    assert (formatted, passed) == ("1 file already formatted", "All checks passed!")


@pytest.mark.proves(f"{FOLDER}/black.sh")
def test_black_and_isort_are_red_and_then_green(walk: Walk) -> None:
    assert told(walk, "black.sh") == ["black refuses", "isort refuses", "both pass"]


@pytest.mark.holds(
    "Both tabs write the same file, byte for byte, and ruff format sorts no imports: that is the rule I001.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_both_tabs_write_the_same_file(walk: Walk, base: Path, tmp_path: Path) -> None:
    assert told(walk, "ruff.sh")
    assert told(walk, "black.sh")
    ruff, black = base / "ruff", base / "black"
    assert (ruff / "invoices.py").read_bytes() == (black / "invoices.py").read_bytes()
    for gate in "ruff format --check .", "ruff check --select=I .":
        assert green(black, gate)
    for gate in "black --check .", "isort --check .":
        assert green(ruff, gate)
    file = messy(tmp_path / "unsorted")
    assert green(file.parent, "ruff format .")
    left = run(file.parent, "ruff", "check", "--select=I", "--output-format=concise", ".")
    assert " I001 " in left.stdout


@pytest.mark.holds(
    "With these settings, isort changes nothing in the service's src, and Black only lines that end with a mark such as noqa.",
    "Black counts such a mark towards the width of a line, and Ruff leaves it out.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_they_agree_on_the_service(tmp_path: Path) -> None:
    home = tmp_path / "accounts"
    shutil.copytree(SERVICE / "src", home / "src")
    (home / "pyproject.toml").write_text(SETTINGS)
    assert green(home, "ruff format --check .")
    assert green(home, "isort --check --settings-path=pyproject.toml src")
    for file in home.rglob("*.py"):
        file.write_text(PRAGMA.sub("", file.read_text()))
    wide = f"order = {'x' * 70 + '(1)'}  # {NOQA}: F821"
    (home / "src/wide.py").write_text(f"{wide}\n")
    assert len(wide) > 88 > len(PRAGMA.sub("", wide))
    assert green(home, "ruff format --check src/wide.py")
    done = run(home, "black", "--check", ".")
    assert re.findall(r"would reformat (\S+)", done.stderr) == [f"{home}/src/wide.py"]


@pytest.mark.holds(
    "Where a folder has the name of a package, such as alembic, isort takes that package for yours, unless known_third_party names it.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_a_folder_that_has_the_name_of_a_package(tmp_path: Path) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic/env.py").touch()
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    imports = "import alembic.config\nimport pytest\n"
    (tmp_path / "migrate.py").write_text(imports)
    assert green(tmp_path, "ruff check --select=I migrate.py")
    assert not green(tmp_path, "isort --check migrate.py")
    name = 'known_third_party = ["alembic"]'
    named = SETTINGS.replace('profile = "black"', f'profile = "black"\n{name}')
    (tmp_path / "pyproject.toml").write_text(named)
    assert green(tmp_path, "isort --check migrate.py")


@pytest.mark.holds(
    "Black and isort undo each other, and the pipeline is red whichever ran last.",
    "Whichever runs last, the check of the other is red.",
)
@pytest.mark.proves(f"{FOLDER}/pingpong.sh")
def test_the_defaults_undo_each_other(walk: Walk) -> None:
    isort, black, *_ = told(walk, "pingpong.sh")
    assert isort == "isort refuses what black wrote"
    assert black == "black refuses what isort wrote"


@pytest.mark.holds(
    "isort wraps an import of more than 79 characters, and Black joins it up to 88.",
    "Black wraps a longer import with one name a line and a comma after the last.",
    "isort packs the same names into a grid, without that comma.",
    'profile = "black" gives isort the width and the wrapping of Black.',
)
@pytest.mark.proves(f"{FOLDER}/pingpong.out")
def test_how_each_wraps_an_import(walk: Walk, tmp_path: Path) -> None:
    assert told(walk, "pingpong.sh")[4].endswith("Iterator,")
    widths, longer = {79: 1, 80: 2, 88: 2}, f"{LONG}, Sequence"
    names = {str(width): "from orders import add, ".ljust(width, "z") for width in widths}

    def laid(sources: dict[str, str], *options: str) -> dict[str, str]:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(f"{source}\n")
        assert run(tmp_path, *options, "--quiet", ".").returncode == 0
        return {name: (tmp_path / f"{name}.py").read_text().strip() for name in sources}

    isort = laid({**names, "longer": longer}, "isort")
    assert {width: len(isort[str(width)].splitlines()) for width in widths} == widths
    black = laid(isort, "black")
    wrapped = black.pop("longer")
    assert black == names
    assert wrapped.splitlines()[1] == "    AsyncIterator,"
    assert wrapped.endswith("\n    Sequence,\n)")
    assert laid({"longer": wrapped}, "isort") == {"longer": isort["longer"]}
    assert isort["longer"].endswith("Mapping, Sequence)")
    alike = laid({**names, "longer": longer}, "isort", "--profile=black")
    assert alike == {**names, "longer": wrapped}


@pytest.mark.holds(
    "A gate without --check mends its own copy and is green:",
    "The commit keeps the bad layout.",
    "black, isort and ruff check --fix mend their copy and are green too.",
)
@pytest.mark.proves(f"{FOLDER}/rewrites.sh")
def test_a_gate_that_rewrites_is_green(walk: Walk, base: Path, tmp_path: Path) -> None:
    assert told(walk, "rewrites.sh")[:2] == ["1 file reformatted", "the gate: green"]
    bad = messy(tmp_path / "bad").read_text()
    assert run(base / "rewrites", "git", "show", "HEAD:invoices.py").stdout == bad
    assert (base / "rewrites/invoices.py").read_text() != bad
    for command in "black .", "isort .", "ruff check --fix .":
        file = messy(tmp_path / command.partition(" ")[0])
        assert green(file.parent, command)
        assert file.read_text() != bad
    assert not green(tmp_path / "bad", "ruff format --check .")


@pytest.mark.holds(
    "The file lies in a folder that each tool skips because of its name:",
    "Ruff and Black also skip what .gitignore names, even where git tracks it.",
)
@pytest.mark.proves(f"{FOLDER}/skipped.sh")
def test_a_skipped_folder_is_green(walk: Walk, base: Path, tmp_path: Path) -> None:
    tools = ["ruff", "black", "isort"]
    assert told(walk, "skipped.sh") == [f"{tool}: green" for tool in tools]
    (base / "skipped/dist").rename(base / "skipped/distances")
    gates = ["ruff format --check .", "black --check .", "isort --check ."]
    assert not any(green(base / "skipped", gate) for gate in gates)
    folder = messy(tmp_path / "ignored").parent
    (folder / ".gitignore").write_text("invoices.py\n")
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--force", "invoices.py")
    assert run(folder, "git", "ls-files").stdout == "invoices.py\n"
    assert [green(folder, gate) for gate in gates] == [True, True, False]


@pytest.mark.holds(
    "After the third step, git blame names the commit that wrote a line, and not the one that laid it out.",
    "A squash gives the commit another hash.",
    "The setting belongs to one clone, and git blame fails where the file is missing.",
)
@pytest.mark.proves("service/pyproject.toml")
def test_blame_passes_over_the_layout(tmp_path: Path) -> None:
    ours = (SERVICE / "pyproject.toml").read_text()
    folder = messy(tmp_path / "blame", ours).parent
    for command in "git init", "git add .", "git commit --message=Add", "ruff format .":
        assert run(folder, *command.split()).returncode == 0
    assert run(folder, "git", "commit", "--all", "--message=Lay out").returncode == 0
    first, last = run(folder, "git", "log", "--format=%H", "--reverse").stdout.split()

    def blamed() -> set[str]:
        blame = "git blame"
        lines = run(folder, *blame.split(), "-l", "-s", "invoices.py").stdout.splitlines()
        return {re.split("[ )]", line.lstrip("^?"))[0][:39] for line in lines}

    assert blamed() == {first[:39], last[:39]}
    (folder / ".git-blame-ignore-revs").write_text(f"{last}\n")
    command = "git config blame.ignoreRevsFile .git-blame-ignore-revs"
    assert run(folder, *command.split()).returncode == 0
    assert blamed() == {first[:39]}
    assert run(folder, "git", "clone", "--quiet", ".", "../clone").returncode == 0
    setting = ["git", "config", "blame.ignoreRevsFile"]
    assert [run(where, *setting).returncode for where in (folder, tmp_path / "clone")] == [0, 1]
    squash = "git switch -q -c main-2 HEAD~1; git merge -q --squash @{-1}; git commit -q -m Squash"
    assert run(folder, "sh", "-euc", squash).returncode == 0
    squashed = run(folder, "git", "rev-parse", "HEAD").stdout.strip()
    assert squashed != last
    assert blamed() == {first[:39], squashed[:39]}  # the file names the hash before the squash
    (folder / ".git-blame-ignore-revs").unlink()
    assert "could not open" in run(folder, "git", "blame", "invoices.py").stderr


@pytest.mark.holds("The service has these settings:")
@pytest.mark.proves("service/pyproject.toml")
def test_the_service_has_these_settings() -> None:
    ours = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]["ruff"]
    named = {key: value for key, value in ours.items() if key != "lint"}
    page = tomllib.loads(SETTINGS)["tool"]["ruff"]
    assert named == {key: value for key, value in page.items() if key != "lint"}
    assert "I" in ours["lint"]["select"]


@pytest.mark.holds(
    "Here the file lies in dist:",
    "ruff format --check is green on nothing: without a Python file it only warns, and unseen refuses such a folder.",
    "unseen doesn't see an exclude of [tool.ruff.format] or of [tool.ruff.lint]: set exclude in [tool.ruff] alone.",
)
@pytest.mark.proves(f"{FOLDER}/seen.sh")
def test_what_no_gate_reads_is_listed(walk: Walk, tmp_path: Path) -> None:
    assert told(walk, "seen.sh") == [
        "dist/invoices.py",
        "the gate: refused",
        "the gate: green",
    ]
    unseen = (SNIPPETS / FOLDER / "seen.sh").read_text().partition("\n}\n")[0] + "\n}\nunseen"
    told_of = run(tmp_path, "ruff", "format", "--check")
    assert (told_of.returncode, "No Python files found" in told_of.stderr) == (0, True)
    assert run(tmp_path, "sh", "-c", unseen).returncode == 0  # refused, as all that it lists
    (tmp_path / "Zoë.py").touch()
    for git, status in ("init --quiet", 0), ("add .", 1):
        assert run(tmp_path, "git", *git.split()).returncode == 0
        assert run(tmp_path, "sh", "-c", unseen).returncode == status
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/orders.py").touch()
    long = tmp_path / ("x" * 200)
    long.mkdir()
    for number in range(700):  # more names than one argument of a command holds
        (long / f"{number}.py").touch()
    assert run(tmp_path, "git", "add", "--force", ".").returncode == 0
    done = run(tmp_path, "sh", "-c", unseen)
    assert (done.returncode, done.stdout) == (0, "dist/orders.py\n")
    assert run(tmp_path, "git", "rm", "--force", "--quiet", "dist/orders.py").returncode == 0
    (tmp_path / "Zoë.py").write_text("paid  = 1\n")
    for section, ends in (
        ("[tool.ruff.format]", (0, 1)),
        ("[tool.ruff.lint]", (1, 1)),
        ("[tool.ruff]", (0, 0)),
    ):
        left_out = 'exclude = ["Zoë.py"]'
        (tmp_path / "pyproject.toml").write_text(f"{section}\n{left_out}\n")
        gates = run(tmp_path, "ruff", "format", "--check"), run(tmp_path, "sh", "-c", unseen)
        assert tuple(gate.returncode for gate in gates) == ends, section
