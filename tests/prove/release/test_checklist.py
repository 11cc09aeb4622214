"""What the page on the release checklist claims: each line is green, and red on its fault."""

import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.parts.gates import TIERS
from tests.parts.outputs import hold_lines
from tests.parts.postgres import Postgres
from tests.parts.service import BIN
from tests.parts.shop import RELEASES, Shop
from tests.parts.wheels import wheel
from tests.prove.twins import dont

FOLDER = "release/checklist"
LINES = tomllib.loads((SNIPPETS / FOLDER / "lines.toml").read_text())
Walk = dict[str, list[str]]
pytestmark = pytest.mark.timeout(1200)  # seconds: the first waits for all else, on a busy machine


INSTRUCTIONS = [
    "Check each line of a release with a command",
    'Look for a line such as "rollback plan documented", and ask who has run that plan.',
    "Give each line of the list a command, and see that command fail once before you trust it.",
    "If you don't know whether a line can fail, try it on the fault that it is there for.",
    "Keep the lines beside the gates of your tiers, each with what it refuses:",
    "Install alembic, pytest, sqlalchemy and uv, and run it where Alembic finds the database of the release:",
    "Don't let the last command decide",
    "See each line fail",
    "Don't list what can't fail",
    "Copy the list of a release",
    "Copy lines.toml and settle.py, and write your own commands.",
    "Run your tier first, then migrate, then run settle.py, and deploy when all is green.",
    "Write what only a person can answer as a question, as Write a checklist of commands and questions does.",
    "Try each new line on its fault before you merge it.",
    "Run red.sh in a clone, on a database that lacks a migration.",
    "Mend a line that stays green there, or drop it.",
]


@pytest.fixture(scope="module")
def walk(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, pytestconfig: pytest.Config
) -> Iterator[Walk]:
    """What the page's commands said, by the name of their block."""
    session, folder = pytestconfig.stash[STATE], tmp_path_factory.mktemp("checklist") / "shop"
    folder.mkdir()
    shop, found = Shop(folder, postgres), Walk()
    for name in "settle.py", "lines.toml":
        (folder / name).write_text((SNIPPETS / FOLDER / name).read_text())
    for name, version in {"wheels": "2.0", "newer": "2.1"}.items():
        (folder / name).mkdir()
        wheel(folder / name, "money", version)

    def take(database: str, name: str, **changed: str) -> None:
        found[name] = shop.take(session, database, f"{FOLDER}/{name}", **changed)

    shop.migrate("green", "v1.2.3", "head")
    take("green", "green.sh")
    shop.migrate("red", "v1.3.0", "0004")
    take("red", "red.sh")
    path = f"{BIN}:{os.environ['PATH']}"  # it has pytest-cov
    inside = {"PATH": path, "PYTEST_ADDOPTS": "-p pytest_cov.plugin -p no:cacheprovider"}
    take("red", "usual.sh", **inside)
    covered = shop.run("red", "pytest", "--cov=prices", "test_users.py", **inside)
    found["coverage"] = (covered.stdout + covered.stderr).splitlines()
    yield found
    shop.tell("postgres", "DROP DATABASE green", "DROP DATABASE red")


@pytest.mark.holds(
    "--check-heads asks the database, and fails where it lacks a migration of the release.",
    "reversible runs the tests of the release before on the new schema, as Go back to the release before without losing data does.",
)
@pytest.mark.proves(f"{FOLDER}/lines.toml")
def test_each_line_is_green_and_red(walk: Walk) -> None:
    assert walk["green.sh"] == [f"green {name}" for name in LINES]
    told = [f"red   {name}: {line['refuses']}" for name, line in LINES.items()]
    assert walk["red.sh"] == [*told, "no release"]
    assert "--check-heads" in LINES["migrated"]["command"]
    assert LINES["reversible"]["command"].endswith("cd before; pytest --quiet")


@pytest.mark.holds(
    "Here a file is changed, the tag isn't the version, the lock is old, a migration is missing, and a column is renamed:",
)
@pytest.mark.proves(f"{FOLDER}/red.sh")
def test_each_fault_is_planted(walk: Walk) -> None:
    assert len(walk["red.sh"]) == 6
    script = (SNIPPETS / FOLDER / "red.sh").read_text()
    assert ">> test_users.py" in script and "cp newer/" in script
    versions = {tag: files.get("pyproject.toml", "") for tag, files in RELEASES.items()}
    assert 'version = "1.2.3"' in versions["v1.2.3"] and not versions["v1.3.0"]
    migrations = [text for name, text in RELEASES["v1.3.0"].items() if "versions" in name]
    assert len(migrations) == 2 and "RENAME COLUMN" in migrations[0]


@pytest.mark.holds(
    "Each line of the list is ticked, and the release asks a database that lacks its migration.",
    "With -c alone, the shell goes on after a command that failed.",
    "The line is green when its last command passes, whatever happened before.",
    "Look at -euc: a line of several commands ends with the first that fails.",
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
    lines = snippet.checklist("l", TIERS, LINES)
    assert lines[-1] == "    - a schema on which the release before fails"
    ended = snippet.settle("migrated", {"command": "false; true", "refuses": "it"})
    assert ended == "red   migrated: it", "the line is green, and its first command failed"


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
    for command in "pytest --cov=prices test_users.py", "pip list", "alembic heads":
        assert ended[command] == "green"
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
    "all tests pass | make l, by its gates suite and survival",
    "more than 70% coverage | make l, by the limit of its tier, 80%",
    "the types are checked | make l, by its gate types",
    "the code is in order | make l, by its gates format and lint",
    "the dependencies are new | the line locked",
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


@pytest.mark.holds("the image is built | tests/test_image.py in the service")
@pytest.mark.service("tests/test_dockerfile.py::test_it_takes_nothing_that_is_not_pinned")
@pytest.mark.proves("service/tiers.toml")
def test_the_service_builds_its_image(service: Callable[[], None]) -> None:
    service()
    assert "suite" in TIERS["tiers"]["l"]["gates"]
    told = (SNIPPETS / "service/tests/test_image.py").read_text()
    assert "def test_it_serves_as_an_ordinary_user" in told
