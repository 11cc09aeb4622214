"""What the page on versions of Python claims."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from datetime import date
from email.message import Message
from importlib.metadata import distributions, metadata
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.engine.pages import ROOT, SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts import service
from tests.parts.schemas import LIGHT
from tests.parts.wheels import wheel
from tests.prove import pythons

FOLDER = "decide/versions"
PYTHONS = SNIPPETS / "data/pythons.toml"
PROJECTS = [ROOT / "pyproject.toml", service.SERVICE / "pyproject.toml"]


INSTRUCTIONS = [
    "Support the Pythons that get fixes",
    "Set requires-python to the floor that your libraries share, test each Python that you support, and raise the floor before its Python ends.",
    "If you don't know the floor, take that of your libraries.",
    "Ask the libraries that are installed.",
    "Install packaging for it.",
    "Write no upper bound.",
    "List the Pythons that you support in the matrix of your tests.",
    "Run it on a schedule, never among your tests: a test that turns red overnight stops a change that has nothing to do with it.",
]


JUDGEMENTS = [
    "We call the oldest Python that a project supports its floor.",
]


@pytest.mark.holds(
    "The floor of a project is the highest of theirs.",
    "This one compares them letter by letter:",
    "It took the lowest of the four floors for the highest, and raised nothing.",
    "Versions aren't text.",
)
@pytest.mark.parametrize(
    "snippet",
    [
        f"{FOLDER}/floor.py",
        pytest.param(
            f"{FOLDER}/as_text.py",
            marks=pytest.mark.xfail(  # "9" comes after "1"
                strict=True,
                raises=pytest.RaisesExc(AssertionError, match="fastapi doesn't run on 3.9"),
            ),
        ),
    ],
    indirect=True,
)
def test_every_library_runs_on_the_floor(snippet: ModuleType) -> None:
    lowest = str(min(Version(str(snippet.required(library))) for library in snippet.LIBRARIES))
    floor = snippet.floor(snippet.LIBRARIES)
    assert len(snippet.LIBRARIES) == 4
    for library in ["fastapi", *snippet.LIBRARIES]:
        rules = SpecifierSet(",".join(metadata(library).get_all("Requires-Python", [])))
        assert floor in rules, f"{library} doesn't run on {floor}; the lowest is {lowest}"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/floor.py"], indirect=True)
@pytest.mark.parametrize(
    ("rules", "oldest"),
    [
        (">=3.8", "3.8"),
        (">=3.8,!=3.9.*,<4", "3.8"),
        ("~=3.10", "3.10"),
        (">=3.11.5", "3.11.5"),
        (">3.9,<4", "3.9"),
        ("==3.12.*", "3.12"),
        (None, "3"),
    ],
)
def test_each_way_to_require_a_python_is_read(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch, rules: str | None, oldest: str
) -> None:
    told = Message()
    if rules:
        told["Requires-Python"] = rules
    monkeypatch.setattr(snippet, "metadata", lambda _: told)
    assert snippet.required("ledger") == Version(oldest)


@pytest.mark.holds(
    "The service's lock gives the same floor, over all that it installs on every Python, and its pyproject.toml declares it.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/floor.py"], indirect=True)
def test_the_floor_is_what_the_locked_libraries_require(
    snippet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages,) = service.BIN.parent.glob("lib/python*/site-packages")
    told = {each.name: each.metadata for each in distributions(path=[str(packages)])}
    own = tomllib.loads(PROJECTS[1].read_text())["project"]
    monkeypatch.setattr(snippet, "metadata", lambda library: told[library])
    lock = (service.SERVICE / "requirements-dev.txt").read_text()
    locked = re.findall(r"^([\w.-]+)==[^; ]+ \\$", lock, re.MULTILINE)  # without a marker
    names = [name for name in told if name.lower().replace("_", "-") in locked]
    assert len(names) > 50
    assert f">={snippet.floor(names)}" == own["requires-python"]
    asking = {name for name in names if snippet.required(name) == Version("3.11")}
    assert {"fastapi", "SQLAlchemy", "starlette"} <= asking


def uv(folder: Path, *arguments: str, given: str = "") -> str:
    """Run uv on the wheels of a folder alone, and return what it says."""
    command = ["uv", "pip", *arguments, "--offline", "--no-index", f"--find-links={folder}"]
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.holds(
    "A library stops releasing for your Python, and the resolver goes on choosing its last release without a word.",
    "A floor below that of a library doesn't fail.",
    "The lock then holds two releases of the library: the newest, and for older Pythons the last one that supported them.",
    "The older one gets no more fixes, so the lock looks maintained and isn't.",
)
def test_a_low_floor_keeps_an_old_release(tmp_path: Path) -> None:
    wheel(tmp_path, "ledger", "1.0", Requires_Python=">=3.8")
    wheel(tmp_path, "ledger", "2.0", Requires_Python=">=3.11")

    def lock(floor: str) -> list[str]:
        options = ["--quiet", "--no-header", "--no-annotate", "--universal"]
        told = uv(tmp_path, "compile", *options, f"--python-version={floor}", "-", given="ledger")
        return told.splitlines()

    assert lock("3.11") == ["ledger==2.0"]
    assert lock("3.8") == [
        "ledger==1.0 ; python_full_version < '3.11'",
        "ledger==2.0 ; python_full_version >= '3.11'",
    ]


@pytest.mark.holds(
    "Write the floor once, as requires-python: pip and uv refuse to install the project on an older Python.",
    "Its lock alone they install there, if each package in it runs there.",
    "pip answers it with an older release that has no bound, and uv installs the newest all the same.",
)
def test_pip_and_uv_refuse_an_older_python_and_differ_on_an_upper_bound(tmp_path: Path) -> None:
    wheel(tmp_path, "future", "1.0", Requires_Python=">=3.99")
    wheel(tmp_path, "capped", "1.0")
    wheel(tmp_path, "capped", "2.0", Requires_Python=">=3.8,<3.11")

    def pip(name: str) -> str:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", name]
        command += [f"--find-links={tmp_path}", "--disable-pip-version-check", "--isolated"]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout + done.stderr

    python = f"--python={sys.executable}"
    assert "Package 'future' requires a different Python" in pip("future")
    assert "future==1.0 requires Python >=3.99" in " ".join(
        uv(tmp_path, "install", "--dry-run", python, "future").split()
    )
    assert "Would install capped-1.0" in pip("capped")
    assert "+ capped==2.0" in uv(tmp_path, "install", "--dry-run", python, "capped")
    about = "[project]\nname = 'orders'\nversion = '1'\nrequires-python = '>=3.99'\n"
    (tmp_path / "pyproject.toml").write_text(about)
    (tmp_path / "requirements.txt").write_text("capped==1.0\n")
    lock = ["--dry-run", "-r", f"{tmp_path}/requirements.txt"]
    assert "+ capped==1.0" in uv(tmp_path, "install", python, *lock)
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--no-index", *lock]
    done = subprocess.run(
        [*command, f"--find-links={tmp_path}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Would install capped-1.0" in done.stdout
    (tmp_path / "requirements.txt").write_text("capped==1.0\nfuture==1.0\n")
    refused = uv(tmp_path, "install", python, *lock)
    assert "+ capped" not in refused and "requires Python >=3.99" in " ".join(refused.split())


@pytest.mark.holds(
    "The one in .github/workflows/test.yml begins at the floor, and names what the playbook is tested on: 3.11, 3.12, 3.13.",
)
def test_the_matrix_begins_at_the_floor() -> None:
    for workflow, project in zip(pythons.WORKFLOWS, PROJECTS, strict=True):
        matrix = pythons.tested(workflow)
        floor = tomllib.loads(project.read_text())["project"]["requires-python"]
        assert f">={min(matrix, key=Version)}" == floor
        assert set(matrix) <= set(tomllib.loads(PYTHONS.read_text()))
        assert matrix == ["3.11", "3.12", "3.13"]


@pytest.mark.holds(
    "Or a Python reaches its end of life (EOL), and no test of yours notices.",
    "This program compares them with a day.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ends.py"], indirect=True)
@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2027, 7, 1), []),
        (date(2027, 8, 31), ["Python 3.11 gets no fixes after 2027-10"]),
        (date(2027, 12, 1), ["Python 3.11 gets no fixes after 2027-10"]),
        (
            date(2028, 10, 1),
            [f"Python 3.{n} gets no fixes after {y}-10" for n, y in ((11, 2027), (12, 2028))],
        ),
    ],
)
def test_an_end_is_told_in_time(snippet: ModuleType, day: date, told: list[str]) -> None:
    assert snippet.main([str(PYTHONS), str(PROJECTS[0])], day) == told
    assert snippet.main([str(PYTHONS), *map(str, PROJECTS)], day) == told * 2
    assert snippet.ending({"3.9": "2025-10", "3.10": "2026-10"}, "3.10", day)[:1] == [
        "Python 3.10 gets no fixes after 2026-10"
    ]


@pytest.mark.holds(
    "It refuses a month without a source, a floor that the file doesn't name, and a run without a project.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ends.py"], indirect=True)
def test_what_compares_nothing_is_red(
    snippet: ModuleType, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    pytestconfig.stash[STATE].runs[f"{FOLDER}/ends.py"] = Run()  # it has to end red
    day = date(2027, 7, 1)
    for files in [], [str(PYTHONS)]:
        assert snippet.main(files, day) == ["Name the file with the dates, then each project"]
    project = tmp_path / "pyproject.toml"
    for floor, told in ("3.9", "3.9"), ("3.11,<4", "3.11,<4"), ("3.11", None):
        project.write_text(f"[project]\nrequires-python = '>={floor}'\n")
        wanted = [f"No end is recorded of Python {told}. Look it up"] if told else []
        assert snippet.main([str(PYTHONS), str(project)], day) == wanted


@pytest.mark.holds(
    "It refuses a month without a source, a floor that the file doesn't name, and a run without a project."
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/ends.py"], indirect=True)
@pytest.mark.parametrize(
    ("old", "new", "lacks"),
    [
        ('source = "https://peps.python.org/pep-0664/"\n', "", "3.11 has no source"),
        ("https://peps.python.org/pep-0664/", "", "3.11 has no source"),
        ("https://peps.python.org/pep-0664/", "a friend", "3.11 has no source"),
        ('ends = "2027-10"\n', "", "3.11 has no ends"),
        ('"2027-10"', '"2027-13"', "3.11 has no ends"),
        ('"2027-10"', '"soon"', "3.11 has no ends"),
        ('"2027-10"', "2027", "3.11 has no ends"),
    ],
)
def test_a_month_without_a_source_is_refused(
    snippet: ModuleType, tmp_path: Path, old: str, new: str, lacks: str
) -> None:
    file = tmp_path / "pythons.toml"
    assert PYTHONS.read_text().count(old) == 1
    file.write_text(PYTHONS.read_text().replace(old, new))
    with pytest.raises(ValueError, match=lacks) as refused:
        snippet.read(file)
    line = PYTHONS.read_text().splitlines().index('["3.11"]') + 1
    assert str(refused.value).startswith(f"{file}:{line}: {lacks}. Look it up")


@pytest.mark.holds("Keep the months in a file, each with the page that says so:")
@pytest.mark.proves("data/pythons.toml")
def test_each_month_has_the_schedule_of_its_releases_as_its_source() -> None:
    ends = runpy.run_path(str(SNIPPETS / FOLDER / "ends.py"))["read"](PYTHONS)
    told = tomllib.loads(PYTHONS.read_text())
    assert list(ends) == sorted(ends, key=Version)
    assert all(
        re.fullmatch(r"https://peps\.python\.org/pep-\d{4}/", t["source"]) for t in told.values()
    )
    assert len({each["source"] for each in told.values()}) == len(told) == len(set(ends.values()))


def test_the_program_ends_red_on_a_python_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pythons.toml").write_text('["3.1"]\nends = "2012-04"\nsource = "https://x"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.1"\n')
    program = str(SNIPPETS / FOLDER / "ends.py")
    files = ["pythons.toml", "pyproject.toml"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program, *files])
    with pytest.raises(SystemExit, match=r"Python 3\.1 gets no fixes after 2012-04"):
        runpy.run_path(program, run_name="__main__")


@pytest.mark.proves(f"{FOLDER}/watch.yml")
def test_a_schedule_runs_the_program_and_no_change_does(tmp_path: Path) -> None:
    files = [SNIPPETS / FOLDER / "watch.yml", ROOT / ".github/workflows/watch.yml"]
    for file in files:
        workflow = yaml.load(file.read_text(), yaml.BaseLoader)  # noqa: S506  it makes texts alone, so `on` stays one
        assert sorted(workflow["on"]) == ["schedule", "workflow_dispatch"]
        command = workflow["jobs"]["pythons"]["steps"][-1]["run"].split()
        assert [Path(word).name for word in command[:3]] == ["python3", "ends.py", "pythons.toml"]
        assert {Path(word).name for word in command[3:]} == {"pyproject.toml"}
    audit = ["--offline", "--no-progress", "--no-config", "--persona=auditor", "--cache-dir"]
    for each in (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor", *audit, str(tmp_path)],
    ):
        command = [*each, *map(str, files)]
        done = subprocess.run(command, env={**os.environ, **LIGHT}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
