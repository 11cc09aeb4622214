"""What the page on the pipeline claims: the service's workflow, and each fault planted in it."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.schemas import LIGHT
from tests.parts.service import SERVICE, ended

FOLDER = "quality/pipeline"
WORKFLOW = SERVICE / ".github/workflows/test.yml"
WORDS = {5: "five"}
WALKS = [["audit.sh", "planted.sh"], ["piped.sh", "stale.sh"], ["laptop.sh", "rehearse.sh"]]
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Run in the pipeline what you run on a laptop",
    "Let the pipeline call the make target that you call, and nothing else.",
    "If you don't know what to check in a workflow, check its schema, its rights, and what hides a failure.",
    "Install check-jsonschema and zizmor, and ask both about each workflow:",
    "Don't pipe a gate into another command",
    "Don't key a cache without the lock",
    "Require a job that can't be skipped",
    "Add this job below the job test, and require it alone.",
    "Name each further job in needs, and ask for its result too:",
    "See what depends on your laptop",
    "Save it as test_habits.py in a new folder, and run it where VAT and all the rest are as it needs them:",
    "Run the same command in a clean clone, with other settings than yours:",
    "Install pyyaml, copy this test into your own tests, and name your own command in GATES:",
]


JUDGEMENTS = [
    "We call pipeline what runs all gates on a server, in a clean clone of each change.",
]


def run(folder: Path, *command: str | Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run a command there, where nobody's settings hold; return how it ended."""
    others = ("GIT", "MAKE", "MFLAGS", "PYTEST", "UV", "ZIZMOR")
    ours = {name: told for name, told in os.environ.items() if not name.startswith(others)}
    inside = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **LIGHT,
        "UV_CACHE_DIR": str(folder.parent / "uv"),
        "XDG_CACHE_HOME": str(folder.parent / "cache"),
    }
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=ours | inside | changed)


def wheel(folder: Path, version: str) -> None:
    """Write a wheel of a package that has nothing but its version."""
    info = f"money-{version}.dist-info"
    with zipfile.ZipFile(folder / f"money-{version}-py3-none-any.whl", "w") as archive:
        told = f"Metadata-Version: 2.1\nName: money\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", told)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with the service's workflow, with wheels, and with the page's tests."""
    base = tmp_path_factory.mktemp("pipeline")
    shutil.copytree(SERVICE / ".github", base / "audit/.github")
    (base / "shell/wheels").mkdir(parents=True)
    for version in "1.0", "2.0":
        wheel(base / "shell/wheels", version)
    (base / "laptop").mkdir()
    shutil.copy(SNIPPETS / FOLDER / "tests/habits.py", base / "laptop/test_habits.py")
    return [base / name for name in ("audit", "shell", "laptop")]


@pytest.fixture(scope="module")
def walk(folders: list[Path], pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, by the name of their block."""
    session, found = pytestconfig.stash[STATE], Walk()

    def take(folder: Path, names: list[str]) -> None:
        for name in names:
            begun, script = time.perf_counter(), SNIPPETS / FOLDER / name
            found[name] = done = run(folder, "sh", "-eu", script)
            session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - begun)
            if session.updating:
                script.with_suffix(".out").write_text(done.stdout)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, folders, WALKS))
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == out.read_text(), done.stderr
    return done.stdout.splitlines()


def planted(folder: Path) -> dict[str, str]:
    """Return the workflow with each fault that the page's script plants, by the fault's name."""
    script = (SNIPPETS / FOLDER / "planted.sh").read_text()
    edits = re.findall(r'^plant "(.+)" (?:\\\n +)?\'(.+)\'$', script, re.MULTILINE)
    assert len(edits) == script.count("\nplant ")
    return {name: run(folder, "sed", edit, WORKFLOW).stdout for name, edit in edits}


def job() -> dict[str, Any]:
    """Return the job of the service's workflow."""
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["test"]
    return found


def script(folder: Path, **edits: str) -> subprocess.CompletedProcess[str]:
    """Run the service's script, edited, where `make l` runs one gate."""
    shutil.copytree(SERVICE / ".ci", folder / ".ci", dirs_exist_ok=True)
    (folder / "dev").mkdir(exist_ok=True)
    (folder / "dev/install").write_text('echo "installs $*"\n')
    text = (folder / ".ci/run").read_text()
    for old, new in {"make l": edits["calls"], "-euo pipefail": edits.get("sets", "")}.items():
        assert text.count(old) == 1
        text = text.replace(old, new or old)
    (folder / ".ci/run").write_text(text)
    return run(folder, "bash", ".ci/run")


@pytest.mark.proves(f"{FOLDER}/audit.sh")
def test_both_tools_pass_the_service(walk: Walk) -> None:
    assert told(walk, "audit.sh") == [
        "ok -- validation done",
        "No findings to report. Good job!",
    ]


@pytest.mark.holds("This is the pipeline of the service: when it runs, and what it runs.")
@pytest.mark.proves("service/.github/workflows/test.yml")
def test_the_pipeline_runs_the_make_target_of_a_laptop() -> None:
    triggers = yaml.load(WORKFLOW.read_text(), yaml.BaseLoader)["on"]  # noqa: S506  it makes texts alone, so `on` stays one
    assert sorted(triggers) == ["pull_request", "push", "workflow_dispatch"]
    assert [step["run"] for step in job()["steps"] if "run" in step] == ["bash .ci/run"]


@pytest.mark.holds(
    ".ci/run installs what the system lacks, and ends with make l, which runs the gates of tier L on your laptop.",
)
@pytest.mark.proves("service/.github/workflows/test.yml")
def test_the_script_ends_with_the_target(tmp_path: Path) -> None:
    assert (SERVICE / ".ci/run").read_text().endswith("\nmake l\n")
    make = (SERVICE / "Makefile").read_text()
    assert re.search(r"^l: .*\n\t@\$\(BIN\)/python -m dev.gate l$", make, re.MULTILINE)
    (tmp_path / "Makefile").write_text("l:\n\t@echo gates\n")
    assert script(tmp_path, calls="make l").stdout == "installs packages.txt\ngates\n"


@pytest.mark.holds(
    "It sets REQUIRE_IMAGE and three more: where a laptop without such a program skips a test, the pipeline fails it.",
)
@pytest.mark.proves("service/.github/workflows/test.yml")
def test_the_pipeline_fails_what_a_laptop_skips(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, str], None],
) -> None:
    for name in [name for name in os.environ if name.startswith("REQUIRE_")]:
        monkeypatch.delenv(name)  # those of a pipeline that runs this
    (tmp_path / "Makefile").write_text("l:\n\t@env | grep ^REQUIRE_ | sort\n")
    names = script(tmp_path, calls="make l").stdout.split()[2:]
    assert "REQUIRE_IMAGE=1" in names
    record_property("figure", f"{['no', 'one', 'two', 'three'][len(names) - 1]} more")
    asked = "import sys; sys.path += ['tests']; import system; system.refuse('image', 'no program')"
    ends = [
        run(SERVICE, "python", "-B", "-c", asked, REQUIRE_IMAGE=required).stderr.splitlines()[-1]
        for required in ("", "1")
    ]
    assert [end.partition(":")[0] for end in ends] == ["Skipped", "Failed"]


@pytest.mark.holds(
    "The matrix lists the Pythons that you support, from the one in requires-python on.",
    "The key of the cache has the hash of the lock.",
    "A cache of another lock changes nothing: make installs what its lock names.",
    "uv compares a download with its hash, and not a file that it unpacked into its cache: a change there is installed.",
)
@pytest.mark.proves("service/.github/workflows/test.yml")
def test_the_cache_keeps_downloads_alone(folders: list[Path], tmp_path: Path) -> None:
    least = tomllib.loads((SERVICE / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f">={job()['strategy']['matrix']['python'][0]}" == least
    (cache,) = [step["with"] for step in job()["steps"] if "actions/cache" in step.get("uses", "")]
    make = (SERVICE / "Makefile").read_text()
    (lock,) = re.findall(r"^\$\(VENV\)/ready: (\S+)", make, re.MULTILINE)
    assert f"hashFiles('{lock}')" in cache["key"]
    assert re.search(rf"uv pip sync .* {lock}\"", make)
    home = cache["path"].replace("~", "$$HOME")
    assert f'echo "{home}"' in make
    kept = {"UV_CACHE_DIR": str(tmp_path / "kept")}
    for version in "1.0", "2.0", "1.0":  # what uv kept of another version changes nothing
        (tmp_path / "lock.txt").write_text(f"money=={version}\n")
        command = ["uv", "pip", "install", "--no-index", f"--find-links={folders[1]}/wheels"]
        target = tmp_path / version
        shutil.rmtree(target, ignore_errors=True)
        done = run(tmp_path, *command, f"--target={target}", "--requirement=lock.txt", **kept)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in target.glob("*-info")] == [f"money-{version}.dist-info"]
    (file,) = (folders[1] / "wheels").glob("money-1.0-*")
    digest = sha256(file.read_bytes()).hexdigest()
    (tmp_path / "lock.txt").write_text(f"money==1.0 --hash=sha256:{digest}\n")
    sync = [*command, "--require-hashes", "--target=locked", "--requirement=lock.txt"]
    assert run(tmp_path, *sync, **kept).returncode == 0
    for file in (tmp_path / "kept").glob("archive-*/*/money-1.0.dist-info/METADATA"):
        file.write_text(file.read_text() + "Summary: changed\n")
    shutil.rmtree(tmp_path / "locked")
    assert run(tmp_path, *sync, **kept).returncode == 0
    assert "Summary: changed" in (tmp_path / "locked/money-1.0.dist-info/METADATA").read_text()
    shutil.rmtree(tmp_path / "locked")
    (tmp_path / "lock.txt").write_text(f"money==1.0 --hash=sha256:{'0' * 64}\n")
    assert "Hash mismatch" in run(tmp_path, *sync, UV_CACHE_DIR=str(tmp_path / "new")).stderr


@pytest.mark.holds(
    "The pipeline is green, and a gate in it failed.",
    "This script plants one fault after the other, and asks both:",
    "Each tool passes what the other refuses here, and both pass the last five, so the check below asks for these.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_each_fault_is_seen_by_one_tool_or_by_none(walk: Walk, folders: list[Path]) -> None:
    seen = [line.split(": ")[1] for line in told(walk, "planted.sh")]
    assert seen == [
        *["the schema passes, the audit refuses"] * 2,
        "the schema refuses, the audit passes",
        *["the schema passes, the audit passes"] * 5,
    ]
    log = (folders[0] / "gate.log").read_text()
    for reason in "error[unpinned-uses]", "error[excessive-permissions]":
        assert log.count(reason) == 1
    assert "'timeout-seconds' was unexpected" in log


@pytest.mark.holds(
    "With --offline, zizmor asks GitHub nothing, and passes a hash that belongs to no release.",
)
@pytest.mark.proves(f"{FOLDER}/audit.sh")
def test_what_the_audit_of_each_workflow_sees(tmp_path: Path) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    text = WORKFLOW.read_text()
    invented, count = re.subn(r"@[0-9a-f]{40} ", f"@{'0' * 40} ", text)
    assert count == text.count("uses: ") > 0
    (folder / "test.yml").write_text(invented)
    audit = SNIPPETS / FOLDER / "audit.sh"
    done = run(tmp_path, "sh", "-eu", audit)
    assert (done.returncode, done.stdout) == (0, audit.with_suffix(".out").read_text())
    (folder / "other.yaml").write_text(text.replace("timeout-minutes", "timeout-seconds"))
    assert run(tmp_path, "sh", "-eu", audit).returncode == 1  # of either ending
    shutil.rmtree(folder)
    folder.mkdir()
    for line in audit.read_text().replace("\\\n", "").splitlines():
        assert run(tmp_path, "sh", "-c", line).returncode != 0  # with nothing to look at


@pytest.mark.holds(
    "It passes the job of the service, and refuses each of the last five faults.",
    "It lists what may stand there, so it also refuses a key that it doesn't know, such as needs, and a filter of pull_request.",
    "It can't see the rules of your branch, which commit the checkout takes, nor what .ci/run does: look at all three yourself.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/tests/workflow.py"], indirect=True)
def test_the_test_refuses_what_hides_a_failure(
    snippet: ModuleType,
    folders: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Any,
) -> None:
    monkeypatch.chdir(folders[0])
    snippet.test_nothing_hides_a_failing_gate()
    faults = {name: yaml.safe_load(text) for name, text in planted(folders[0]).items()}
    last = [snippet.hidden(fault, "test") for fault in faults.values()][3:]
    record_property("figure", f"{WORDS[len(last)]} faults")
    assert last == [
        ["continue-on-error"],
        ["if"],
        ["it runs [{'run': 'bash .ci/run | tee test.log'}]"],
        ["it runs [{'run': 'bash .ci/run', 'shell': 'bash -c true {0}'}]"],
        ["env"],
    ]

    def refused(old: str, new: str) -> list[str]:
        text = WORKFLOW.read_text()
        assert text.count(old) == 1
        found: list[str] = snippet.hidden(yaml.safe_load(text.replace(old, new)), "test")
        return found

    job, step = "    timeout-minutes: 20\n", "        run: bash .ci/run\n"
    assert refused(job, f"{job}    needs: other\n") == ["needs"]
    assert refused(job, f"{job}    env: {{MAKEFLAGS: -i}}\n") == ["env"]
    assert refused("permissions: {}\n", "defaults: {run: {shell: sh}}\n") == ["defaults"]
    assert refused("  pull_request:\n", "  pull_request: {paths: [docs/**]}\n") == [
        "only for {'paths': ['docs/**']}"
    ]
    assert refused("  pull_request:\n", "") == ["only for others"]
    assert refused("      matrix:\n", "      matrix:\n        exclude: []\n") == ["exclude"]
    assert refused('["3.11", "3.12", "3.13"]', "[]") == ["python"]
    assert refused(step, f"{step}        if: success()\n")[0] == "if"
    assert refused(step, "        uses: some/action@v1\n") == ["it runs []"]
    setup = "      - name: Set up Python\n"
    assert refused(setup, f"{setup}        continue-on-error: true\n") == ["continue-on-error"]
    assert refused("        python:", "        system: [a, b]\n        python:") == []
    checkout = "          persist-credentials: false\n"
    assert refused(checkout, f"{checkout}          ref: main\n") == []
    other = tmp_path / ".github/workflows/test.yml"
    other.parent.mkdir(parents=True)
    other.write_text(planted(folders[0])["a job that never runs"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError):
        snippet.test_nothing_hides_a_failing_gate()


@pytest.mark.holds(".ci/run sets pipefail for its own pipes alone.")
@pytest.mark.proves(f"{FOLDER}/piped.sh")
def test_a_pipe_hides_a_failing_gate(walk: Walk, tmp_path: Path) -> None:
    assert told(walk, "piped.sh") == ["without shell: green", "with shell: bash: red"]
    assert walk["piped.sh"].stderr.count("Error 1") == 2  # the gate failed each time
    (tmp_path / "Makefile").write_text("l:\n\t@exit 1\n")
    assert script(tmp_path, calls="make l").returncode == 2
    assert script(tmp_path, calls="make l | tee log").returncode == 2
    assert script(tmp_path, calls="make l | tee log", sets="-eu").returncode == 0
    assert script(tmp_path, calls="make l").returncode == 2
    behind = "bash .ci/run | tee log"
    assert run(tmp_path, "bash", "-ec", behind).returncode == 0
    assert run(tmp_path, "bash", "-eo", "pipefail", "-c", behind).returncode == 2


@pytest.mark.holds(
    "This script keeps environments as a cache does: where it knows the key, it installs nothing.",
    "Without the lock in its key, the job keeps the old version after the lock names another.",
)
@pytest.mark.proves(f"{FOLDER}/stale.sh")
def test_a_key_without_the_lock_serves_an_old_environment(walk: Walk) -> None:
    lines = [re.split(": | in the lock, ", line) for line in told(walk, "stale.sh")]
    assert [(asked, has) for _, asked, has in lines] == [
        ("money==1.0", "env/money-1.0.dist-info"),
        ("money==1.0", "env/money-1.0.dist-info"),
        ("money==2.0", "env/money-1.0.dist-info"),
        ("money==2.0", "env/money-2.0.dist-info"),
    ]
    first, with_lock, again, other = [key for key, *_ in lines]
    assert first == again == "python-3.11"
    assert len({first, with_lock, other}) == 3


@pytest.mark.proves(f"{FOLDER}/required.yml")
def test_the_required_job_is_red_unless_the_matrix_passed(tmp_path: Path) -> None:
    added = (SNIPPETS / FOLDER / "required.yml").read_text()
    (tmp_path / ".github/workflows").mkdir(parents=True)
    whole = tmp_path / ".github/workflows/test.yml"
    whole.write_text(re.sub(r".*\[end:job\]\n", "", WORKFLOW.read_text()) + added)
    done = run(tmp_path, "sh", "-eu", SNIPPETS / FOLDER / "audit.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    required = yaml.safe_load(whole.read_text())["jobs"]["gates"]
    assert (required["needs"], required["if"]) == ("test", "always()")
    (step,) = required["steps"]
    assert step["env"] == {"RESULT": "${{ needs.test.result }}"}
    results = ["success", "failure", "cancelled", "skipped", ""]
    ends = [run(tmp_path, "bash", "-ec", step["run"], RESULT=one).returncode for one in results]
    assert ends == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("snippet", [f"{FOLDER}/tests/habits.py"], indirect=True)
def test_the_habits_pass_where_all_is_as_they_need_it(
    snippet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rates.json").write_text('{"vat": 25}\n')
    habits = [told for name, told in vars(snippet).items() if name.startswith("test_")]
    umask = os.umask(0o022)
    try:
        with monkeypatch.context() as here:
            here.setenv("VAT", "25")
            here.setenv("TZ", "CET-1")
            time.tzset()
            for habit in habits:
                habit()
    finally:
        os.umask(umask)
        time.tzset()


@pytest.mark.holds(
    "Or the tests pass on your laptop and fail in the pipeline, with an error such as FileNotFoundError.",
    "git status names what the tests can read here, and no clone has: what git ignores, what it doesn't know, and what changed since the last commit.",
    "The script shows ERROR too, with which pytest names a file that it can't import.",
)
@pytest.mark.proves(f"{FOLDER}/laptop.sh")
def test_a_rehearsal_fails_as_the_pipeline_would(
    walk: Walk, folders: list[Path], tmp_path: Path
) -> None:
    assert told(walk, "laptop.sh") == ["here: green", "?? here.log", "!! rates.json"]
    assert "5 passed" in (folders[2] / "here.log").read_text()
    end, *lines = told(walk, "rehearse.sh")
    assert end == "the clone: red"
    failed = [line.split(" - ") for line in lines]
    source = (folders[2] / "test_habits.py").read_text()
    tests = re.findall(r"^def (\w+)", source, re.MULTILINE)
    assert [name for name, _ in failed] == [f"FAILED test_habits.py::{name}" for name in tests]
    assert [why.partition(":")[0] for _, why in failed] == [
        "FileNotFoundError",
        "KeyError",
        "assert 0 == 1",
        "UnicodeEncodeError",
        "AssertionError",
    ]
    assert not (folders[2].parent / "clean/rates.json").exists()
    here, clean = tmp_path / "here", tmp_path / "clean"
    here.mkdir()
    alone = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest --quiet --tb=no"
    (here / "Makefile").write_text(f"test:\n\t{alone}\n")
    (here / "test_rates.py").write_text(
        "import rates\n\n\ndef test_rate() -> None:\n    assert rates.VAT\n"
    )
    commit = "git init --quiet; git add .; git commit --quiet --message=Add"
    assert run(here, "sh", "-euc", commit).returncode == 0
    (here / "rates.py").write_text("VAT = 0\n")
    for git, say in (
        ("true", "the clone: red\nERROR test_rates.py\n"),
        ("git add rates.py; git commit --quiet --message=Add", "the clone: red\nFAILED test"),
        ("echo 'VAT = 25' > rates.py", "the clone: red\nFAILED test"),
        ("git commit --quiet --all --message=Mend", "the clone: green\n"),
    ):
        assert run(here, "sh", "-euc", git).returncode == 0
        listed = run(here, "git", "status", "--short").stdout
        shutil.rmtree(clean, ignore_errors=True)
        done = run(here, "sh", "-eu", SNIPPETS / FOLDER / "rehearse.sh")
        assert done.stdout.startswith(say), done.stdout
        assert ("rates.py" in listed) == (git == "true" or git.startswith("echo"))
    (here / "rates.py").write_text("VAT = 0\n")
    assert run(here, "git", "commit", "--all", "--message=Break").returncode == 0
    again = run(here, "sh", SNIPPETS / FOLDER / "rehearse.sh")
    assert (again.returncode, again.stdout) == (128, "")  # the clone of before isn't taken
    assert listed.replace("?? __pycache__/\n", "").replace("?? .pytest_cache/\n", "") == ""


@pytest.mark.holds(
    "env -i drops the variables of your shell, all but HOME and PATH, so the tests still read the files of your home folder.",
    "With < /dev/null, a command that asks its standard input fails in place of waiting.",
)
@pytest.mark.proves(f"{FOLDER}/rehearse.sh")
def test_what_the_rehearsal_leaves_out(tmp_path: Path) -> None:
    script = (SNIPPETS / FOLDER / "rehearse.sh").read_text()
    (tmp_path / "here").mkdir()
    rules = "test:\n\t@env > variables\n\t@cat ~/.netrc > home\n\t@python -c 'input()'\n"
    (tmp_path / ".netrc").write_text("of home\n")
    (tmp_path / "here/Makefile").write_text(rules)
    for line in "git init --quiet", "git add Makefile", "git commit --quiet --message=Add":
        assert run(tmp_path / "here", *line.split()).returncode == 0
    done = run(tmp_path / "here", "sh", "-u", "-c", script, VAT="25", HOME=str(tmp_path))
    assert (tmp_path / "clean/home").read_text() == "of home\n"
    assert "EOFError" in done.stderr
    kept = (tmp_path / "clean/variables").read_text()
    names = set(re.findall(r"^(\w+)=", kept, re.MULTILINE))
    assert not {"VAT", "GIT_AUTHOR_NAME", "UV_CACHE_DIR"} & names
    told_to = set(re.findall(r"\b([A-Z]\w+)=", script))
    assert {"HOME", "PATH"} < told_to
    assert told_to <= names
    assert "< /dev/null" in script
