"""What the page on the release checklist claims: each line is green, and red on its fault."""

import inspect
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from alembic import command

from tests.engine.pages import ROOT, SNIPPETS
from tests.engine.plugin import STATE
from tests.parts.gates import TIERS
from tests.parts.outputs import hold_lines
from tests.parts.postgres import Postgres, column
from tests.parts.service import BIN
from tests.parts.shop import RELEASES, Shop
from tests.parts.wheels import wheel
from tests.prove.twins import dont

FOLDER = "release/checklist"
CI = (ROOT / ".ci/run").read_text()
LINES = tomllib.loads((SNIPPETS / FOLDER / "lines.toml").read_text())
Walk = dict[str, list[str]]
pytestmark = pytest.mark.timeout(1200)  # seconds: the first waits for all else, on a busy machine


INSTRUCTIONS = [
    "Check each line of a release with a command",
    'Look for a line such as "rollback plan documented", and ask who has run that plan.',
    "Give each line of the list a command, and see that command fail once before you trust it.",
    "If you don't know whether a line can fail, try it on the fault that it is there for.",
    "Keep the lines beside the gates of your tiers, each with what it refuses:",
    "Let these tests import the code beside them, and take the database as it is.",
    "Install alembic, asyncpg, greenlet, pytest, pytest-cov, sqlalchemy and uv.",
    "Set DATABASE_URL to the database of the release, and COPY_URL to a copy:",
    "Don't let the last command decide",
    "See each line fail",
    "Don't list what can't fail",
    "Copy the list of a release",
    "Copy lines.toml and settle.py, and write your own commands.",
    "Run your tier, then reversible on a copy, then migrate, then run all lines, and deploy when all are green.",
    "Write what only a person can answer as a question, as Write a checklist of commands and questions does.",
    "Try each new line on its fault before you merge it.",
    "Make one fault at a time in a clone of yours, and run settle.py.",
    "Mend a line that stays green there, or drop it.",
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Shop]:
    """A repository that has the list, with two databases and a copy of each."""
    folder = tmp_path_factory.mktemp("checklist") / "shop"
    folder.mkdir()
    made = Shop(folder, postgres)
    for name in "settle.py", "lines.toml":
        (folder / name).write_text((SNIPPETS / FOLDER / name).read_text())
    for version in "2.0", "2.1":
        (folder / "wheels").mkdir(exist_ok=True)
        wheel(folder / "wheels", "money", version)
    ignored = "/lines.toml\n/settle.py\n/wheels/\n.coverage\n*.log\n"
    (folder / ".git/info/exclude").write_text(ignored)
    for name, tag in {"green": "v1.2.2", "red": "v1.2.4"}.items():
        made.migrate(name, tag, "head")
        made.tell("postgres", f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    yield made
    names = "green", "green_copy", "red", "red_copy"
    made.tell("postgres", *[f"DROP DATABASE {name}" for name in names])
    made.forget()


def settled(shop: Shop, database: str, *names: str, **changed: str) -> list[str]:
    """Return what the list says, which runs on a database and its copy."""
    copy = f"postgresql+asyncpg:{shop.server.address(f'{database}_copy')}"
    told = {"COPY_URL": copy, "RUNS": "v1.2.2", **changed}
    done = shop.run(database, sys.executable, "settle.py", "lines.toml", *names, **told)
    assert done.returncode == ("red" in done.stdout), done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def walk(shop: Shop, pytestconfig: pytest.Config) -> Walk:
    """What the page's commands said, by the name of their block."""
    session, found = pytestconfig.stash[STATE], Walk()

    def take(database: str, name: str, **changed: str) -> None:
        copy = f"postgresql+asyncpg:{shop.server.address(f'{database}_copy')}"
        found[name] = shop.take(session, database, f"{FOLDER}/{name}", COPY_URL=copy, **changed)

    take("green", "green.sh")
    take("red", "red.sh")
    path = f"{BIN}:{os.environ['PATH']}"  # it has pytest-cov
    inside = {"PATH": path, "PYTEST_ADDOPTS": "-p pytest_cov.plugin -p no:cacheprovider"}
    take("red", "usual.sh", **inside)
    covered = shop.run("red", "pytest", "--cov=prices", "test_users.py", **inside)
    found["coverage"] = (covered.stdout + covered.stderr).splitlines()
    shop.run("red", "git", "restore", ".")
    return found


@pytest.mark.holds(
    "reversible gives the copy the new schema, and runs the tests of the tag in RUNS on it, as Go back to the release before without losing data does.",
    "It refuses a COPY_URL with the text of DATABASE_URL, because tests write: another spelling of that address passes.",
)
@pytest.mark.proves(f"{FOLDER}/green.sh")
def test_each_line_is_green_and_red(walk: Walk, shop: Shop) -> None:
    assert walk["green.sh"] == ["green reversible", *[f"green {name}" for name in LINES]]
    told = [f"red   {name}: {line['refuses']}" for name, line in LINES.items()]
    told.insert(4, "      FAILED: Database is not on all head revisions")
    assert walk["red.sh"] == [*told, "no release"]
    assert LINES["reversible"]["command"].endswith('cd "$before"; pytest --quiet')
    assert shop.run("red", "git", "worktree", "list").stdout.count("\n") == 1
    shop.migrate("same", "v1.2.2", "head")
    shop.run("red", "git", "switch", "--quiet", "--detach", "v1.2.3")
    same = f"postgresql+asyncpg:{shop.server.address('same')}"
    query = "SELECT version_num FROM alembic_version"
    assert settled(shop, "same", "reversible", COPY_URL=same)[0] == walk["red.sh"][5]
    assert column(same, query) == ["0001"], "nothing is migrated"
    spelt = same.replace("127.0.0.1", "localhost")
    settled(shop, "same", "reversible", COPY_URL=spelt, RUNS="absent")
    assert column(same, query) == ["0003"], "it is migrated, before any test runs"
    shop.tell("postgres", "DROP DATABASE same")


@pytest.mark.holds(
    "--check-heads, which is there since Alembic 1.17.1, compares the id in the database with the files, and looks at no table.",
    "It is red for the release before too, whose code lacks the file: don't ask it when you bring back the image alone.",
)
@pytest.mark.proves(f"{FOLDER}/lines.toml")
def test_the_id_is_compared(
    walk: Walk, shop: Shop, record_property: Callable[[str, str], None]
) -> None:
    assert "--check-heads" in LINES["migrated"]["command"]
    told = (inspect.getdoc(command.current) or "").partition("check_heads:")[2]
    since = told.partition("versionadded:: ")[2].split()[0]
    assert since == "1.17.1"
    record_property("figure", since.rpartition(".")[0])
    shop.tell("postgres", "CREATE DATABASE stamped")
    shop.run("stamped", "git", "switch", "--quiet", "--detach", "v1.2.3")
    assert "red" in settled(shop, "stamped", "migrated")[0]
    assert shop.run("stamped", "alembic", "stamp", "head").returncode == 0
    assert settled(shop, "stamped", "migrated") == ["green migrated"]
    assert not shop.run("stamped", "psql", "--command=SELECT FROM users").stdout
    shop.tell("postgres", "DROP DATABASE stamped")
    shop.run("green", "git", "switch", "--quiet", "--detach", "v1.2.2")
    assert settled(shop, "green", "migrated")[0].startswith("red   migrated: ")


@pytest.mark.holds(
    "Where a command tells an error, the last line of it stands below what is refused.",
    "committed is red outside of a repository too, locked without uv, and settle.py on a file without a line.",
)
@pytest.mark.proves(f"{FOLDER}/red.sh")
def test_what_cannot_run_is_red(walk: Walk, shop: Shop) -> None:
    shop.run("green", "git", "switch", "--quiet", "--detach", "v1.2.3")
    module = shop.folder / "module.py"
    module.touch()
    assert settled(shop, "green", "committed") == [walk["red.sh"][0]]
    shop.run("green", "git", "config", "status.showUntrackedFiles", "no")
    assert settled(shop, "green", "committed") == [walk["red.sh"][0]]
    module.unlink()
    assert settled(shop, "green", "committed") == ["green committed"]
    told = [walk["red.sh"][0], "      fatal: not a git repository: '/nowhere'"]
    assert settled(shop, "green", "committed", GIT_DIR="/nowhere") == told
    lock = shop.folder / "lock.txt"
    lock.write_text("")
    told = [walk["red.sh"][2], "      no uv"]
    assert settled(shop, "green", "locked", PATH=shop.without("uv")) == told
    assert settled(shop, "green", "locked") == [walk["red.sh"][2]]
    shop.run("green", "git", "restore", "lock.txt")
    for name in "COPY_URL", "RUNS":
        assert settled(shop, "green", "reversible", **{name: ""})[0] == walk["red.sh"][5]
    (shop.folder / "none.toml").touch()
    for file in "none.toml", "/dev/null":
        done = shop.run("green", sys.executable, "settle.py", file)
        assert (done.returncode, done.stdout) == (1, "red   there is no line to settle\n")
    (shop.folder / "none.toml").unlink()


@pytest.mark.holds(
    "Here a file is changed, the tag isn't the version, the lock doesn't fit, a migration is missing, and a column is renamed:",
)
@pytest.mark.proves(f"{FOLDER}/red.sh")
def test_each_fault_is_planted(walk: Walk) -> None:
    assert len([line for line in walk["red.sh"] if line.startswith("red ")]) == len(LINES) == 5
    script = (SNIPPETS / FOLDER / "red.sh").read_text()
    assert "> requirements.in" in script and "alembic upgrade 0004" in script
    assert RELEASES["v1.2.2"]["lock.txt"] == "money==2.0\n"
    versions = {tag: files.get("pyproject.toml", "") for tag, files in RELEASES.items()}
    assert 'version = "1.2.3"' in versions["v1.2.3"] and not versions["v1.3.0"]
    migrations = [text for name, text in RELEASES["v1.3.0"].items() if "versions" in name]
    assert len(migrations) == 2 and "RENAME COLUMN" in migrations[0]


@pytest.mark.holds(
    "Each line of the list is ticked, and the release asks a database that lacks its migration.",
    "With -c alone, the shell goes on after a command that failed.",
    "The line is green when its last command passes, whatever happened before.",
    "Look at -euc: the first command that fails ends the line, but not within a pipe, left of && or in an argument.",
    "So lines.toml gives an output to a variable first.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/settle.py",
        dont(f"{FOLDER}/ticked.py", "the line is green, and its first command failed"),
    ],
    indirect=True,
)
def test_a_line_ends_with_its_first_failure(
    snippet: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "lines.toml"
    file.write_text('[migrated]\ncommand = "true; false"\nrefuses = "a missing migration"\n')
    monkeypatch.setattr("sys.argv", ["settle.py", str(file)])
    with pytest.raises(SystemExit):
        snippet.main()
    assert capsys.readouterr().out == "red   migrated: a missing migration\n"
    file.write_text(file.read_text().replace("true; false", "true; true"))
    snippet.main()
    assert capsys.readouterr().out == "green migrated\n"
    for ignored in "false | true", "false && true; true", 'test -z "$(false)"':
        assert snippet.settle("x", {"command": ignored, "refuses": ""}) == "green x"
    file.write_text("")
    with pytest.raises(SystemExit):
        snippet.main()
    assert capsys.readouterr().out == "red   there is no line to settle\n"
    told = {"command": "echo first >&2; echo last >&2; exit 1", "refuses": "a fault"}
    assert snippet.settle("x", told) == "red   x: a fault\n      last"
    assigned = [
        text for line in LINES.values() for text in re.findall(r"\w+=\$\(", line["command"])
    ]
    assert "".join(line["command"] for line in LINES.values()).count("$(") == len(assigned) == 4
    lines = snippet.checklist("l", TIERS, LINES)
    assert lines[-1] == "    - a schema on which the release before fails"
    held = snippet.settle("x", {"command": 'y=$(false); test -z "$y"', "refuses": "a fault"})
    ended = snippet.settle("migrated", {"command": "false; true", "refuses": "it"})
    assert ended == "red   migrated: it", "the line is green, and its first command failed"
    assert held == "red   x: a fault"


@pytest.mark.holds(
    "The same faults are in this folder, and no test imports prices:",
    "pytest --cov without a limit passes when it collected no data.",
    "pip list names what is installed, and compares it with nothing.",
    "alembic heads reads the files, and asks no database.",
    'NOTES.md says "Rollback: to be done".',
)
@pytest.mark.proves(f"{FOLDER}/usual.sh")
def test_what_cannot_fail_is_green(walk: Walk) -> None:
    ended = dict(line.split(": ", 1)[::-1] for line in walk["usual.sh"])
    for line in "pytest --cov=prices test_users.py", "pip list", "alembic heads":
        assert ended[line] == "green"
    assert walk["red.sh"][-1] == "no release"
    assert not [
        text for files in RELEASES.values() for text in files.values() if "import prices" in text
    ]
    assert RELEASES["v1.2.2"]["NOTES.md"] == "Rollback: to be done\n"
    assert len(walk["usual.sh"]) == 4
    assert "No data was collected" in "".join(walk["coverage"])


@pytest.mark.holds(
    "The gates are those of tier L, where each was green on the service and red on its fault:",
)
@pytest.mark.proves(f"{FOLDER}/release.md")
@pytest.mark.parametrize("snippet", [f"{FOLDER}/settle.py"], indirect=True)
def test_the_list_is_that_of_the_tiers(snippet: ModuleType, pytestconfig: pytest.Config) -> None:
    lines = snippet.checklist("l", TIERS, LINES)
    hold_lines(f"{FOLDER}/release.md", lines, pytestconfig.option.update_examples)
    for name in "green", "red":
        runs = (SNIPPETS / f"start/tiers/{name}.out").read_text().splitlines()
        seen = {line.split()[0] for line in runs}
        for gate in TIERS["tiers"]["l"]["gates"]:
            assert gate in seen, f"{gate} has no {name} run"


@pytest.mark.holds(
    "all tests pass | make l, by its gates suite and survival, with REQUIRE_ALERTS=1, REQUIRE_GATEWAY=1 and REQUIRE_POOLER=1",
    "more than 70% coverage | make l, by the limit of its tier, 80%",
    "the types are checked | make l, by its gate types",
    "the code is in order | make l, by its gates format and lint",
    "the dependencies are new | the line locked, once a change has renewed the lock",
    "the migrations are applied | the line migrated",
    "there is a way back | the line reversible",
)
def test_the_usual_lines_have_their_command(
    record_property: Callable[[str, str], None],
) -> None:
    tier = TIERS["tiers"]["l"]
    assert {"suite", "survival", "types", "format", "lint"} < set(tier["gates"])
    assert tier["coverage"] > TIERS["tiers"]["m"]["coverage"] == 70
    record_property("figure", str(tier["coverage"]))
    record_property("figure", f"{tier['coverage']}%")
    assert {"locked", "migrated", "reversible"} < set(LINES)
    packages = (SNIPPETS / "service/packages.txt").read_text().splitlines()
    uses = {line.split()[2] for line in packages if line and line[0] != "#"}
    assert uses == {"all", "image", "alerts", "gateway", "pooler"}
    for required in "REQUIRE_ALERTS=1", "REQUIRE_GATEWAY=1", "REQUIRE_POOLER=1":
        assert required in CI


@pytest.mark.holds(
    "the image is built | make l, with REQUIRE_IMAGE=1",
    "Without these variables, make l is green where promtool, nginx, PgBouncer or buildah is missing, because it skips their tests.",
)
@pytest.mark.service("tests/test_system.py::test_without_a_program_the_skip_names_its_package")
@pytest.mark.proves("service/tiers.toml")
def test_the_service_builds_its_image(service: Callable[[], None]) -> None:
    service()
    assert "suite" in TIERS["tiers"]["l"]["gates"]
    image = (SNIPPETS / "service/tests/test_image.py").read_text()
    assert 'refuse("image"' in image and "def test_it_serves_as_an_ordinary_user" in image
    for name in "watch", "alerts":
        assert 'require("alerts")' in (SNIPPETS / f"service/tests/test_{name}.py").read_text()
    asked = (SNIPPETS / "service/tests/system.py").read_text()
    assert 'f"REQUIRE_{use.upper()}"' in asked and ".skip(reason" in asked
    assert "REQUIRE_IMAGE=1" in CI
