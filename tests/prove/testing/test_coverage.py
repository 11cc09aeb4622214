"""What the page on coverage claims: its gates, each seen red and green on one small project."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from coverage import Coverage
from coverage.results import should_fail_under
from sqlalchemy.ext.asyncio import AsyncSession

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.gates import TIERS
from tests.parts.service import BIN, SERVICE, ended

FOLDER = "testing/coverage"
WALKS = [["bare.sh", "nothing.sh", "installed.sh"], ["change.sh", "blind.sh", "planted.sh"]]
SETTINGS = tomllib.loads((SNIPPETS / FOLDER / "pyproject.toml").read_text())["tool"]
GREENLETS = """
import asyncio
from sqlalchemy.util.concurrency import await_only, greenlet_spawn

def load() -> int:
    return int(await_only(asyncio.sleep(0, 1)))

async def main() -> None:
    first = await greenlet_spawn(load)
    print("after", first)

asyncio.run(main())
"""
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Give coverage a limit that can fail",
    "Measure the branches of your whole package, and see the gate refuse a change before you trust it.",
    "If you don't know which limit to take, ask for all of each change, and for what the whole has today.",
    "Install pytest-cov, and name the package, the branches and the limit, fail_under, in pyproject.toml:",
    "Put these two files into a new folder, and run the gate there, without a test of refunds.py and with one:",
    "Run pytest --cov alone in your pipeline: grep shortens its output here, and hides its status.",
    "Don't let the tests choose what is measured",
    "Don't trust a gate that compares nothing",
    "Don't measure another copy",
    "Ask for each line of the change",
    "Install diff-cover.",
    "Don't drop the limit of the whole",
    "Change the code, and see a test fail",
    "Don't call code without an assertion",
    "Copy the settings, with the name of your own package.",
    "Write the total of today as the limit, and raise it when the total rises.",
    "Check out the whole history, in GitHub's workflows with fetch-depth: 0, and let diff-cover compare each pull request with the branch that it goes into, such as origin/main.",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with the page's files: one for each walk, the first with nothing else."""
    base = tmp_path_factory.mktemp("coverage")
    shutil.copytree(SNIPPETS / FOLDER, base / "first")
    return [base / name for name in ("first", "second")]


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command there, with pytest-cov and no other plugin; return how it ended."""
    kept = {k: told for k, told in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    inside = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-p pytest_cov -p no:cacheprovider",
        "PYTHONDONTWRITEBYTECODE": "1",  # it would pass for that of an edit in the same second
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=kept | inside)


@pytest.fixture(scope="module")
def walk(folders: list[Path], pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, by the name of their block."""
    session, found = pytestconfig.stash[STATE], Walk()

    def take(folder: Path, names: list[str]) -> None:
        for name in names:
            started, script = time.perf_counter(), SNIPPETS / FOLDER / name
            found[name] = done = run(folder, "sh", "-eu", script)
            session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
            if session.updating:
                script.with_suffix(".out").write_text(done.stdout)

    take(folders[0], ["gate.sh"])
    shutil.copytree(folders[0], folders[1])
    with ThreadPoolExecutor() as pool:
        list(pool.map(take, folders, WALKS))
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.stdout == out.read_text(), done.stderr
    return done.stdout.splitlines()


@pytest.mark.holds(
    "The gate counts refunds.py, whether a test imports it or not.",
    "In 18->17 the tests leave out a branch: no order of theirs is unpaid.",
    "The branches of 0 if late else cents aren't counted: no test asks for a refund in time, and refunds.py has 100%.",
)
@pytest.mark.proves(f"{FOLDER}/gate.sh")
def test_the_gate_is_red_and_then_green(walk: Walk) -> None:
    _, refunds, _, failed, _, tested, sums, passed = told(walk, "gate.sh")
    assert re.search(r"refunds.py +3 +3 +0 .* 0.00%", refunds)
    assert failed.startswith("FAIL Required test coverage of 80.01% not reached.")
    assert re.search(r"refunds.py +3 +0 +0 +0 100.00%", tested)
    assert sums.endswith("93.75%   18->17")
    assert passed.startswith("Required test coverage of 80.01% reached.")
    project = (SNIPPETS / FOLDER / "gate.sh").read_text()
    assert "return 0 if late else cents" in project
    assert "paid=False" not in project
    assert re.findall(r"days=(\d+)", project) == ["31"]


@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_the_settings_are_those_of_the_gate(walk: Walk) -> None:
    assert SETTINGS["coverage"]["run"] == {"branch": True, "source_pkgs": ["orders"]}
    assert SETTINGS["coverage"]["report"]["include_namespace_packages"] is True
    assert SETTINGS["pytest"]["minversion"] == "9.0"
    limit = SETTINGS["coverage"]["report"]["fail_under"]
    assert f"coverage of {limit}% reached" in walk["gate.sh"].stdout


@pytest.mark.holds(
    "pytest --cov --cov-report=html writes htmlcov/index.html, which leads to each line and branch that the tests left out."
)
@pytest.mark.proves(f"{FOLDER}/gate.out")
def test_the_report_leads_to_what_is_left_out(walk: Walk, folders: list[Path]) -> None:
    assert told(walk, "gate.sh")[-2].endswith(" 18->17")
    command = "pytest --cov --cov-report=html"
    run(folders[0], *command.split())
    index = (folders[0] / "htmlcov/index.html").read_text()
    (page,) = set(re.findall(r'href="(\w+_sums_py.html)"', index))
    told_of = (folders[0] / "htmlcov" / page).read_text()
    assert re.findall(
        r'<p class="(?!run|pln)\w+ [^"]*"><span class="n"><a id="t(\d+)"', told_of
    ) == ["18"]


@pytest.mark.holds(
    "All lines of average ran, and a day without a paid order raises ZeroDivisionError.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/sums.py"], indirect=True)
def test_a_day_without_a_paid_order_fails(snippet: ModuleType, walk: Walk) -> None:
    order, average = snippet.Order, snippet.average
    assert average([order(100, paid=True), order(300, paid=True)]) == 200
    with pytest.raises(ZeroDivisionError):
        average([order(100, paid=False)])
    assert told(walk, "bare.sh")[-1] == "ZeroDivisionError"


@pytest.mark.holds(
    "The gate says 100%, and a module that no test imports fails in production.",
    "Without these settings, the same project without that test is green:",
    "refunds.py is missing, and the tests count as code.",
    "All lines of average ran, and a day without a paid order raises ZeroDivisionError.",
)
@pytest.mark.proves(f"{FOLDER}/bare.sh")
def test_without_settings_it_is_green(walk: Walk) -> None:
    *files, last, raised = told(walk, "bare.sh")
    assert [re.split(" +", line)[::3] for line in files] == [
        ["src/orders/__init__.py", "100%"],
        ["src/orders/sums.py", "100%"],
        ["tests/test_sums.py", "100%"],
    ]
    assert last.endswith(" 80.01% reached. Total coverage: 100.00%")
    assert raised == "ZeroDivisionError"


@pytest.mark.holds(
    "Or the gate is green, and it measured nothing.",
    "The total is below 95%, so a limit of 95 must refuse it:",
    "Without --cov, or with --no-cov, pytest-cov measures nothing and compares nothing.",
    "Where no test imports the package that it names, pytest-cov warns, and without a limit the command passes.",
    "A pipe ends with the status of its last command, which is that of tee.",
    "Without precision, coverage.py rounds the total to a whole number before it compares.",
)
@pytest.mark.proves(f"{FOLDER}/nothing.sh")
def test_what_is_green_and_compares_nothing(walk: Walk, folders: list[Path]) -> None:
    gates = ["no --cov", "--no-cov", "no such package", "piped", "rounded"]
    assert told(walk, "nothing.sh") == [*[f"{gate}: green" for gate in gates], "the gate: refused"]
    assert "94.74%" in told(walk, "gate.sh")[-1]
    wrote = (folders[0] / "gate.log").read_text()
    assert "CoverageWarning: Module order was never imported." in wrote
    assert "No data was collected." in wrote
    assert "total of 94.74 is less than fail-under=95" in wrote
    default = Coverage(config_file=False).get_option("report:precision")
    assert isinstance(default, int)
    assert not should_fail_under(94.74, 95, default)
    assert should_fail_under(94.74, 95, SETTINGS["coverage"]["report"]["precision"])


@pytest.mark.holds(
    "A total that equals the limit passes too, so write 80.01 to get more than 80%.",
)
@pytest.mark.proves(f"{FOLDER}/nothing.out")
def test_the_limit_itself_passes() -> None:
    precision = SETTINGS["coverage"]["report"]["precision"]
    assert not should_fail_under(80.0, 80, precision)
    assert should_fail_under(80.0, 80.01, precision)
    assert not should_fail_under(80.01, 80.01, precision)


@pytest.mark.holds(
    "An older copy of the package is installed, and the code beside the tests breaks:",
    "The gate measures the copy that the tests import, and its report names the folder.",
    'With pythonpath = ["src"], pytest imports the code beside the tests, and the test fails.',
)
@pytest.mark.proves(f"{FOLDER}/installed.sh")
def test_another_copy_is_measured(walk: Walk) -> None:
    *files, passed, failed = told(walk, "installed.sh")
    assert all(line.startswith("installed/orders/") for line in files)
    assert passed.startswith("Required test coverage of 80.01% reached.")
    assert failed.startswith("FAILED tests/test_sums.py::test_average")
    assert SETTINGS["pytest"]["pythonpath"] == ["src"]


@pytest.mark.holds(
    "This change mends average, first without a test and then with one:",
    "The whole reaches its limit each time, and diff-cover refuses the change that brings no test.",
)
@pytest.mark.proves(f"{FOLDER}/change.sh")
def test_each_line_of_a_change_is_asked_for(walk: Walk) -> None:
    before, refused, missing, after, passed, covered = told(walk, "change.sh")
    assert before.startswith("Required test coverage of 80.01% reached.")
    assert after.startswith("Required test coverage of 80.01% reached.")
    assert (refused, missing) == ("refused", "src/orders/sums.py (0.0%): Missing lines 21-22")
    assert (passed, covered) == ("passed", "src/orders/sums.py (100%)")
    assert "Failure. Coverage is below 100%." in walk["change.sh"].stderr


@pytest.mark.holds(
    "Without --branch-coverage, diff-cover misses line 21, whose branch no test takes.",
    "A changed file that coverage.xml doesn't name passes, and so does a new file before git add.",
)
@pytest.mark.proves(f"{FOLDER}/change.out")
def test_what_diff_cover_does_not_see(walk: Walk, folders: list[Path]) -> None:
    assert "Missing lines 21-22" in told(walk, "change.sh")[2]
    folder = shutil.copytree(folders[1], folders[1].parent / "unseen")
    (folder / "src/orders/added.py").write_text("VAT = 25\n")
    run(folder, "git", "rm", "--quiet", "tests/test_unpaid.py")
    run(folder, "pytest", "--cov", "--cov-report=xml")
    command = ["diff-cover", "coverage.xml", "--compare-branch=main", "--fail-under=100"]

    def missing(*options: str) -> list[str]:
        done = run(folder, *command, *options)
        found = re.findall(
            r"^src/orders/(.*\.py) .*: Missing lines (.*)$", done.stdout, re.MULTILINE
        )
        assert done.returncode == bool(found), done.stderr
        return [" ".join(each) for each in found]

    assert missing() == ["sums.py 22"]
    assert missing("--branch-coverage") == ["sums.py 21-22"]
    report = folder / "coverage.xml"
    report.write_text(report.read_text().replace("src/orders/sums.py", "orders/sums.py"))
    assert missing("--branch-coverage") == []
    run(folder, "git", "add", "src/orders/added.py")
    assert missing() == ["added.py 1"]


@pytest.mark.holds(
    "A change that marks its line with pragma: no cover passes both gates, so look for this mark in each change.",
)
@pytest.mark.proves(f"{FOLDER}/change.sh")
def test_a_mark_hides_a_change(walk: Walk, folders: list[Path]) -> None:
    assert told(walk, "change.sh")[1] == "refused"
    folder = shutil.copytree(folders[1], folders[1].with_name("marked"))
    run(folder, "git", "rm", "--quiet", "tests/test_unpaid.py")
    changed = folder / "src/orders/sums.py"
    line, mark = "    if not count:", "pragma: no cover"  # the mark itself, for the change
    ends = list[tuple[int, int]]()
    for marked in (line, f"{line}  # {mark}"):
        changed.write_text(changed.read_text().replace(line, marked))
        whole = run(folder, "pytest", "--cov", "--cov-report=xml")
        gate = ["coverage.xml", "--compare-branch=main", "--branch-coverage", "--fail-under=100"]
        ends.append((whole.returncode, run(folder, "diff-cover", *gate).returncode))
    assert ends == [(0, 1), (0, 0)]


@pytest.mark.holds('In a shallow clone, diff-cover finds "no merge base", and fails.')
@pytest.mark.proves(f"{FOLDER}/change.sh")
def test_a_shallow_clone_has_no_merge_base(walk: Walk, folders: list[Path]) -> None:
    assert told(walk, "change.sh")
    clone = ["git", "clone", "--quiet", "--branch=tidy", "--no-single-branch"]
    ends = list[subprocess.CompletedProcess[str]]()
    for name, depth in ("shallow", ["--depth=1"]), ("deep", []):
        there = folders[1].with_name(name)
        run(folders[1].parent, *clone, *depth, f"file://{folders[1]}", there)
        shutil.copy(folders[1] / "coverage.xml", there)
        command = ["diff-cover", "coverage.xml", "--compare-branch=origin/main"]
        ends.append(run(there, *command))
    shallow, deep = ends
    assert shallow.returncode != 0
    assert "no merge base" in shallow.stderr
    assert deep.returncode == 0, deep.stderr
    assert "src/orders/sums.py" in deep.stdout


@pytest.mark.holds(
    "The next change deletes the tests of sums.py:",
    "The change has no line of code, so diff-cover passes it.",
)
@pytest.mark.proves(f"{FOLDER}/blind.sh")
def test_a_deleted_test_is_no_line_of_code(walk: Walk) -> None:
    whole, passed, change = told(walk, "blind.sh")
    assert whole.startswith("FAIL Required test coverage of 80.01% not reached.")
    assert (passed, change) == ("passed", "No lines with coverage information in this diff.")
    assert walk["blind.sh"].stderr == ""


UNCHECKED = pytest.param(
    f"{FOLDER}/tests/unchecked.py",
    marks=pytest.mark.xfail(  # it asserts nothing
        strict=True, raises=pytest.RaisesExc(pytest.fail.Exception, match="DID NOT RAISE")
    ),
)


@pytest.mark.holds(
    "This test fails when cents - paid becomes cents + paid:",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/tests/checked.py", UNCHECKED], indirect=True)
def test_the_test_sees_a_changed_line(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(str(snippet.__file__)).read_text()
    assert source.count("cents - paid") == 1
    changed = source.replace("cents - paid", "cents + paid").replace("\ntest_due()\n", "\n")
    mutant: dict[str, Any] = {}
    exec(compile(changed, "mutant", "exec"), mutant)  # noqa: S102  it is the snippet's own code
    snippet.test_due()
    monkeypatch.setattr(snippet, "due", mutant["due"])
    with pytest.raises(AssertionError):
        snippet.test_due()


@pytest.mark.holds(
    "Coverage says which lines your tests run, and nothing of what they check.",
    "The coverage of due is 100% with either test.",
)
@pytest.mark.parametrize(
    "snippet", [f"{FOLDER}/tests/checked.py", f"{FOLDER}/tests/unchecked.py"], indirect=True
)
def test_both_tests_run_the_same_lines(snippet: ModuleType, record_property: Any) -> None:
    source, ran = Path(str(snippet.__file__)).read_text(), set[int]()
    assert "due(300, 100)" in source
    assert source.endswith("\ntest_due()\n")

    def trace(frame: Any, event: str, _: object) -> Any:
        if frame.f_code is snippet.due.__code__ and event == "line":
            ran.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        snippet.test_due()
    finally:
        sys.settrace(before)
    lines = {line for *_, line in snippet.due.__code__.co_lines() if line}
    lines.discard(snippet.due.__code__.co_firstlineno)
    share = 100 * len(ran) // len(lines)
    assert share == 100
    record_property("figure", f"{share}%")


@pytest.mark.holds(
    "The service has these settings without a fail_under, and alone they refuse nothing:",
    "Its gate adds --cov-fail-under with the limit of the change's tier.",
)
@pytest.mark.service("tests/test_gates.py::test_coverage_must_be_above_its_limit")
@pytest.mark.proves("service/pyproject.toml")
def test_the_limit_of_the_service_is_its_gates(service: Callable[[], None]) -> None:
    service()
    settings = Coverage(config_file=str(SERVICE / "pyproject.toml"))
    limit = settings.get_option("report:fail_under")
    assert isinstance(limit, (int, float))
    assert not should_fail_under(0.0, limit, 2)
    assert settings.get_option("report:include_namespace_packages") is True
    assert [name for name, tier in TIERS["tiers"].items() if "coverage" in tier] == ["s", "m", "l"]


@pytest.mark.holds(
    "SQLAlchemy's asynchronous calls switch greenlets.",
    "Without concurrency, the core ctrace, the default before Python 3.14, misses the lines after such a call.",
)
@pytest.mark.proves("service/pyproject.toml")
def test_the_service_follows_greenlets(tmp_path: Path) -> None:
    settings = tomllib.loads((SERVICE / "pyproject.toml").read_text())["tool"]["coverage"]
    assert "greenlet_spawn(" in inspect.getsource(AsyncSession.execute)
    (tmp_path / "store.py").write_text(GREENLETS)
    named = f"core = {settings['run']['core']}\n"
    assert named == "core = ctrace\n"
    for core, concurrency, missing in (
        (named, "thread", True),
        ("", "thread", sys.version_info < (3, 14)),
        (named, ",".join(settings["run"]["concurrency"]), False),
    ):
        (tmp_path / ".coveragerc").write_text(f"[run]\n{core}")
        made = run(tmp_path, "coverage", "run", f"--concurrency={concurrency}", "store.py")
        assert made.stdout == "after 1\n", made.stderr
        data = Coverage(str(tmp_path / ".coverage"), config_file=str(tmp_path / ".coveragerc"))
        data.load()
        assert (data.analysis2(str(tmp_path / "store.py"))[3] == [10]) == missing


@pytest.mark.holds(
    "With include_namespace_packages, it counts folders without an __init__.py too, but orders itself must have this file.",
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_folders_without_an_init_are_counted(walk: Walk, folders: list[Path]) -> None:
    assert told(walk, "gate.sh")
    folder = shutil.copytree(folders[0], folders[0].with_name("folders"))
    (folder / "tests/test_refunds.py").unlink()
    (folder / "src/orders/new").mkdir()
    (folder / "src/orders/new/late.py").write_text("DAYS = 30\n")
    settings = folder / "pyproject.toml"

    def counted() -> set[str]:
        done = run(folder, "pytest", "--cov")
        return set(re.findall(r"^src/orders/(\S+\.py) ", done.stdout, re.MULTILINE))

    assert counted() == {"__init__.py", "new/late.py", "refunds.py", "sums.py"}
    (folder / "src/orders/__init__.py").unlink()
    assert counted() == {"sums.py"}
    (folder / "src/orders/__init__.py").touch()
    line = "include_namespace_packages = true"
    settings.write_text(settings.read_text().replace(line, ""))
    assert counted() == {"__init__.py", "refunds.py", "sums.py"}


@pytest.mark.holds(
    "An empty .coveragerc hides all these settings and their limit, and so does a table of coverage.py in setup.cfg or tox.ini.",
)
@pytest.mark.proves(f"{FOLDER}/bare.sh")
def test_another_file_hides_the_settings(
    walk: Walk, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(walk, "bare.sh")
    folder = shutil.copytree(folders[0], folders[0].with_name("hidden"))
    (folder / "tests/test_refunds.py").unlink()
    table = "[coverage:run]\nbranch = true\n"
    hiding = {"setup.cfg": table, "tox.ini": table, ".coveragerc": ""}
    assert run(folder, "pytest", "--cov").returncode == 1
    monkeypatch.chdir(folder)
    found = list[tuple[object, object]]()
    for name, text in {"": "", **hiding}.items():
        file = folder / (name or "none")
        file.write_text(text)
        read = Coverage(config_file=".coveragerc")  # as pytest-cov asks for it
        options = ("report:fail_under", "run:source_pkgs")
        found.append((read.get_option(options[0]), read.get_option(options[1])))
        if name != ".coveragerc":
            file.unlink()
    assert found == [(80.01, ["orders"]), *[(0.0, [])] * len(hiding)]
    done = run(folder, "pytest", "--cov")
    assert done.returncode == 0
    assert "refunds.py" not in done.stdout
    assert "Required test coverage" not in done.stdout


@pytest.mark.holds(
    'Code that a test runs in another process counts where [tool.coverage.run] has patch = ["subprocess"], and where the test stops that process by SIGTERM, sigterm = true too.',
)
@pytest.mark.proves(f"{FOLDER}/pyproject.toml")
def test_another_process_counts(walk: Walk, folders: list[Path]) -> None:
    assert told(walk, "gate.sh")
    folder = shutil.copytree(folders[0], folders[0].with_name("processes"))
    called = "import sys; sys.path.insert(0, 'src'); import orders.refunds"
    served = f"{called}, signal; print(flush=True); signal.pause()"
    stopped = f"""
    with subprocess.Popen([sys.executable, '-c', {served!r}], stdout=-1) as server:
        server.stdout.readline()
        server.terminate()
"""
    ended_itself = f"\n    subprocess.run([sys.executable, '-c', {called!r}], check=True)\n"
    settings, ends = folder / "pyproject.toml", list[int]()
    patch, signalled = 'patch = ["subprocess"]\n', "sigterm = true\n"
    text = settings.read_text()
    for call, options in (
        (ended_itself, ""),
        (ended_itself, patch),
        (stopped, patch),
        (stopped, patch + signalled),
    ):
        test = f"import subprocess, sys\n\ndef test_refunds():{call}"
        (folder / "tests/test_refunds.py").write_text(test)
        settings.write_text(text.replace("branch = true\n", f"branch = true\n{options}"))
        ends.append(run(folder, "pytest", "--cov").returncode)
    assert ends == [1, 0, 1, 0]


@pytest.mark.holds(
    "Plant a module that no test imports, larger than the rest and in a folder without __init__.py, and see the gate refuse it:",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_a_planted_module_is_refused(walk: Walk) -> None:
    refused, passed = told(walk, "planted.sh")
    assert refused.startswith("FAIL Required test coverage of 80.01% not reached.")
    assert passed.startswith("Required test coverage of 80.01% reached.")
