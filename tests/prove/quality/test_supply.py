"""What the page on supply claims: an environment, a lock and a history, each with its plant."""

import json
import os
import re
import runpy
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.engine.pages import SNIPPETS
from tests.engine.plugin import STATE
from tests.engine.run import Run
from tests.parts.registry import serving
from tests.parts.service import SERVICE, ended
from tests.parts.wheels import wheel

FOLDER = "quality/supply"
SCRIPTS = ["gate.sh", "squat.sh", "planted.sh", "history.sh"]
PROGRAMS = ["registry.py", "meant.py", "almost.py"]
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Compare what is installed with what was meant",
    "Take a package that an advisory names, and say which of your images install it.",
    "Compare what is installed with the lock, look at each new name in the lock, and scan the whole history for secrets.",
    "If you don't know where to begin, begin with the SBOM of what your image installs.",
    "Write a lock with hashes.",
    "Install uv, cyclonedx-bom and packaging, write the SBOM of the environment, and compare it with the lock:",
    "Leave out --no-validate where you give the SBOM away.",
    "Run it on the environment that your image holds.",
    "Refuse each licence that nobody allowed",
    "Add a licence to ALLOWED when somebody decided so, and never to make the gate green.",
    "Refuse a name that is almost right",
    "Look at the project page and the source of each new name.",
    "Don't trust a name because it is locked",
    "Don't scan the files alone",
    "Install detect-secrets.",
    "Let the checkout of the pipeline fetch the whole history, by its setting fetch-depth.",
    "Replace a secret that was ever committed: see Replace a key while its tokens are in use.",
    "Write the SBOM in the image, after its last install, and name your own package in OWN.",
    "Compare the lock of each pull request with that of the main branch.",
    "Let a new release wait, and name the package whose mend can't:",
    "Go on in the folder of the gate: install packages and delete another by hand, and see the gate refuse them:",
    "Make the environment anew from the lock where you doubt it.",
]


JUDGEMENTS = [
    "We call it typosquatting when somebody publishes a name that is almost that of a known package.",
    "We call a list of each installed package, with its version and its licence, an SBOM, a software bill of materials.",
]


def run(folder: Path, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command there, with the wheels beside it for a registry; return how it ended."""
    others = ("GIT", "MAKE", "MFLAGS", "UV_", "PIP_", "VIRTUAL_ENV")
    ours = {name: told for name, told in os.environ.items() if not name.startswith(others)}
    inside = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "NO_COLOR": "1",
        "NO_PROXY": "127.0.0.1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "UV_CACHE_DIR": f"{folder}.cache",
        "UV_LINK_MODE": "copy",
        "UV_OFFLINE": "1",
    }
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=ours | inside | more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the walk, with the page's programs."""
    folder = tmp_path_factory.mktemp("supply")
    for name in "wheels", "installed", "history":
        (folder / name).mkdir()
    for name in PROGRAMS:
        (folder / "installed" / name).write_text((SNIPPETS / FOLDER / name).read_text())
    return folder


@pytest.fixture(scope="module")
def walk(base: Path, pytestconfig: pytest.Config) -> Walk:
    """How the page's commands ended, by the name of their block."""
    session, found = pytestconfig.stash[STATE], Walk()
    for name in SCRIPTS:
        folder = "history" if name == "history.sh" else "installed"
        started, script = time.perf_counter(), SNIPPETS / FOLDER / name
        found[name] = done = run(base / folder, "sh", "-eu", script)
        session.runs[f"{FOLDER}/{name}"] = Run(seconds=time.perf_counter() - started)
        if session.updating:
            script.with_suffix(".out").write_text(done.stdout)
    for name in PROGRAMS:
        session.runs[f"{FOLDER}/{name}"] = Run()  # the commands above run each, as the page does
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text(), done.stderr
    return done.stdout.splitlines()


def gate(base: Path) -> subprocess.CompletedProcess[str]:
    """Write the SBOM of the environment and compare it with the lock; return how that ended."""
    lines = (SNIPPETS / FOLDER / "planted.sh").read_text().splitlines()[-2:]
    return run(base / "installed", "sh", "-euc", "\n".join(lines))


@pytest.mark.holds(
    "Try the gate in a new folder: its names are those of strangers, so this script makes wheels of these names, and shuts uv off from each registry.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/registry.py"], indirect=True)
def test_the_names_of_strangers_reach_no_registry(
    snippet: ModuleType, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(snippet.__file__), run_name="__main__")
    made = {file.name.removesuffix("-py3-none-any.whl") for file in tmp_path.glob("wheels/*")}
    assert made == snippet.PACKAGES.keys()
    named = " ".join((SNIPPETS / FOLDER / name).read_text() for name in SCRIPTS)
    asked = set(re.findall(r'echo "(\w+)" >+ requirements\.in|install --quiet (\w+)', named))
    assert {one or other for one, other in asked} <= {name.split("-")[0] for name in made}
    assert (SNIPPETS / FOLDER / "gate.sh").read_text().startswith("python registry.py ")
    wheel(base / "wheels", "stranger", "1.0")
    with serving(base / "wheels", {"stranger-1.0-py3-none-any.whl": timedelta(days=9)}) as address:
        command = f"uv pip compile --quiet --no-header --no-annotate in.txt --index={address}"
        (tmp_path / "in.txt").write_text("stranger\n")
        refused = run(tmp_path, *command.split(), UV_OFFLINE="0")
        (tmp_path / "uv.toml").unlink()
        found = run(tmp_path, *f"{command} --default-index={address}".split(), UV_OFFLINE="0")
    assert (refused.returncode, found.stdout) == (1, "stranger==1.0\n")


@pytest.mark.proves(f"{FOLDER}/gate.sh")
def test_what_the_lock_installs_is_green(walk: Walk, base: Path) -> None:
    assert told(walk, "gate.sh") == ["the gate: green"]
    assert (base / "installed/requirements.txt").read_text().count("--hash=sha256:") > 1


@pytest.mark.holds(
    "An environment that was just made from the lock agrees with the lock, so such a gate refuses nothing but licences.",
)
@pytest.mark.proves(f"{FOLDER}/gate.sh")
def test_a_new_environment_agrees_with_its_lock(walk: Walk, base: Path) -> None:
    folder = base / "installed"
    assert told(walk, "planted.sh")
    for lock in "urllib3==2.7.0", "requests==2.34.2\nurllib3==2.7.0", "requetss==1.0":
        (folder / "other.txt").write_text(f"{lock}\n")
        assert run(folder, "uv", "pip", "sync", "other.txt").returncode == 0
        done = run(folder, "sh", "-ec", SYNCED.format("other.txt"))
        assert (done.returncode, done.stdout) == (0, "")
    (folder / "other.txt").write_text("receipts==1.0\n")
    assert run(folder, "uv", "pip", "sync", "other.txt").returncode == 0
    done = run(folder, "sh", "-ec", SYNCED.format("other.txt"))
    assert (done.returncode, done.stdout) == (1, "receipts 1.0 has ['AGPL-3.0-only']\n")
    assert run(folder, "uv", "pip", "sync", "requirements.txt").returncode == 0


SYNCED = """
cyclonedx-py environment --no-validate --output-file other.json .venv
python meant.py other.json {}
"""


@pytest.mark.holds(
    "uv pip check finds nothing wrong: the packages fit each other.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_what_is_planted_is_refused(walk: Walk) -> None:
    checked, *found, last = told(walk, "planted.sh")
    assert (checked, last) == ("uv pip check: green", "the gate: refused")
    assert found == [
        "receipts 1.0 isn't in the lock",
        "receipts 1.0 has ['AGPL-3.0-only']",
        "urllib3 2.7.0 isn't in the lock",
        "requetss isn't installed",
    ]
    assert "Checked 3 packages" in walk["planted.sh"].stderr


@pytest.mark.holds(
    "This script also compares the licences with a list:",
    "It refuses an empty SBOM, a package that the lock names without a marker (;) and nobody installed, and a package whose metadata names no licence.",
    "A package with two licences passes when both are in ALLOWED: requests tells its own as Apache-2.0 and in an older form.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/meant.py"], indirect=True)
def test_each_part_is_locked_and_its_licences_allowed(
    snippet: ModuleType, walk: Walk, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def part(*terms: dict[str, Any], name: str = "PyYAML") -> list[dict[str, Any]]:
        return [{"name": name, "version": "6.0.3", "licenses": list(terms)}]

    mit, old = {"license": {"id": "MIT"}}, {"license": {"name": "License :: Old"}}
    lock, refused = "pyyaml==6.0.3 ; sys_platform == 'x'\n", snippet.refused
    assert (
        refused(part(mit), lock) == refused(part({"expression": "MIT OR Apache-2.0"}), lock) == []
    )
    for line in "PyYAML[fast]==6.0.3 \\\n    --hash=sha256:00\n", "pyyaml == 6.0.3\n":
        assert refused(part(mit), line) == []  # as other tools write a lock
    assert refused([], lock) == ["the SBOM or the lock is empty"]
    marked = "lacking==1.0 ; python_version > '3'\n"
    assert [refused(part(mit), lock + more) for more in (marked, "lacking==1.0\n")] == [
        [],
        ["lacking isn't installed"],
    ]
    assert refused([], "pyyaml==6.0.3 \\\n") == [
        "the SBOM or the lock is empty",
        "pyyaml isn't installed",
    ]
    assert refused(part(mit), "") == [
        "the SBOM or the lock is empty",
        "pyyaml 6.0.3 isn't in the lock",
    ]
    assert refused([{"name": "PyYAML", "version": "6.0.3"}], lock) == [
        "pyyaml 6.0.3 has no licence"
    ]
    assert refused(part(mit, old), lock) == ["pyyaml 6.0.3 has ['MIT', 'License :: Old']"]
    assert refused(part({"expression": "MIT AND GPL-3.0-only"}), lock)
    assert refused(part(mit), "pyyaml==6.0.30 ; x\n") == ["pyyaml 6.0.3 isn't in the lock"]
    assert refused(part(mit, name="yaml"), lock) == ["yaml 6.0.3 isn't in the lock"]
    assert refused([*part(mit), *part(name="orders")], lock) == []
    assert told(walk, "planted.sh")
    parts = json.loads((base / "installed/sbom.json").read_text())["components"]
    (requests,) = [each for each in parts if each["name"] == "requests"]
    pin = f"requests=={requests['version']}\n"
    assert next(snippet.term(each) for each in requests["licenses"]) == "Apache-2.0"
    assert refused([requests], pin) == []
    monkeypatch.setattr(snippet, "ALLOWED", {"Apache-2.0"})
    assert refused([requests], pin)


@pytest.mark.holds(
    "The SBOM tells what the metadata says, and a file that changed after the install passes.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_a_changed_file_passes(walk: Walk, base: Path) -> None:
    assert told(walk, "planted.sh")
    folder = base / "installed"
    assert run(folder, "uv", "pip", "sync", "requirements.txt").returncode == 0
    (module,) = (folder / ".venv").glob("lib/*/site-packages/urllib3.py")
    module.write_text("changed = True\n")
    done = gate(base)
    assert (done.returncode, done.stdout) == (0, "")
    assert module.read_text() == "changed = True\n"


@pytest.mark.holds(
    "A name with two letters swapped is locked and installed, with its hash and a green uv pip check.",
    "Here requetss stands for a stranger's package, and the lock has its hash:",
    "Fetch the main branch first: where git show fails, its file is empty, and no name is near to one of no names.",
)
@pytest.mark.proves(f"{FOLDER}/squat.sh")
def test_a_name_that_is_almost_right_is_locked_and_refused(walk: Walk, base: Path) -> None:
    *green, near, last, nothing, empty = told(walk, "squat.sh")
    assert green == ["install: green", "uv pip check: green", "the SBOM: green"]
    assert (near, last) == ("requetss: nearly requests", "the names: refused")
    assert (nothing, empty) == ("a lock names nothing", "no names: refused")
    lock = (base / "installed/requirements.txt").read_text()
    assert re.search(r"^requetss==1.0 \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert "All installed packages are compatible" in walk["squat.sh"].stderr
    (base / "main").mkdir(exist_ok=True)
    (base / "main/requirements.txt").write_text("requests==2.34.2\n")
    commit = "git init -q -b main; git add .; git commit -qm A; git switch -qc change"
    assert run(base / "main", "sh", "-euc", commit).returncode == 0
    clone = ["clone", "--quiet", "--depth=1", "--branch=change", f"file://{base}/main", "of-change"]
    assert run(base, "git", *clone).returncode == 0
    shown = run(base / "of-change", "git", "show", "origin/main:requirements.txt")
    assert (shown.returncode, shown.stdout) == (128, "")
    assert run(base / "of-change", "git", "fetch", "-q", "origin", "main:refs/remotes/origin/main")
    shown = run(base / "of-change", "git", "show", "origin/main:requirements.txt")
    assert shown.stdout == "requests==2.34.2\n"


@pytest.mark.parametrize("snippet", [f"{FOLDER}/meant.py", f"{FOLDER}/almost.py"], indirect=True)
def test_a_script_ends_red_and_says_why(
    snippet: ModuleType, walk: Walk, base: Path, capsys: Any, monkeypatch: Any
) -> None:
    folder = base / "installed"
    assert told(walk, "planted.sh")
    assert run(folder, "uv", "pip", "sync", "requirements.txt").returncode == 0
    assert gate(base).returncode == 0
    (folder / "old.txt").write_text("requests==2.34.2\nurllib3==2.8.0\n")
    sbom, new, old = (str(folder / name) for name in ("sbom.json", "requirements.txt", "old.txt"))

    def script(*files: str) -> str:
        monkeypatch.setattr(sys, "argv", ["script", *files])
        runpy.run_path(str(snippet.__file__), run_name="__main__")
        return str(capsys.readouterr().out)

    good, bad = ([sbom, new], [sbom, old]) if hasattr(snippet, "term") else ([old, old], [old, new])
    assert script(*good) == ""
    with pytest.raises(SystemExit) as ended_red:
        script(*bad)
    assert ended_red.value.code == 1
    assert capsys.readouterr().out.startswith("requetss")
    with pytest.raises(ValueError, match="not enough values"):
        script()


def typed(name: str) -> Iterator[str]:
    """Return how a name is mistyped: a letter left out, doubled, or swapped with the next."""
    for at, letter in enumerate(name):
        yield name[:at] + name[at + 1 :]
        yield name[:at] + letter + name[at:]
        yield name[:at] + name[at + 1 : at + 2] + letter + name[at + 2 :]


@pytest.mark.holds(
    "This script compares each new name in the lock with the names that you had:",
    "Of the service's names with 5 characters or more, it finds each with a character left out, doubled, or swapped with the next.",
    "It refuses a right name too, such as gunicorn beside uvicorn, until DIFFERENT has it.",
    "A name that is near to none of yours passes, as python-requests does.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/almost.py"], indirect=True)
def test_which_names_are_found(snippet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    known = snippet.names((SERVICE / "requirements.txt").read_text())
    wrong = {each for name in known if len(name) >= 5 for each in typed(name)} - known
    assert "fastpai" in wrong
    assert len(snippet.almost(known, wrong)) == len(wrong)
    assert snippet.almost({"uvicorn"}, {"gunicorn", "uvicorn"}) == []
    monkeypatch.setattr(snippet, "DIFFERENT", set())
    assert snippet.almost({"uvicorn"}, {"gunicorn"}) == ["gunicorn: nearly uvicorn"]
    assert snippet.almost({"requests"}, {"python-requests"}) == []
    for line in "requetss[socks]==1.0\n", "requetss @ file:///there.whl\n", "Requetss == 1.0\n":
        locked = snippet.names(f"requests==2.34.2\n{line}")
        assert snippet.almost({"requests"}, locked) == ["requetss: nearly requests"]
    for known, locked in (set(), {"requetss"}), ({"requests"}, set()), (set(), set()):
        assert snippet.almost(known, locked) == ["a lock names nothing"]
    assert snippet.names('[[package]]\nname = "requetss"\n') == set()  # of another kind of lock


def scan_of(folder: Path, ending: str) -> subprocess.CompletedProcess[str]:
    """Run the page's `scan` on a repository, as the script `ending` does."""
    script = (SNIPPETS / FOLDER / "history.sh").read_text()
    function = script[script.index("scan() {") : script.index("\n}\n") + 3]
    return run(folder, "bash", "-euc", f"{function}{ending}")


@pytest.mark.holds(
    "A commit that deletes a password leaves it in the history, and the log of it hides it:",
    "A clone with --depth=1 has the last commit alone, so without its second line scan is green on nothing there.",
    "detect-secrets chooses its rules by the name of a file: in settings.yml it finds a password without quotes, and in settings.py it doesn't.",
    "detect-secrets scan ends with status 0 and writes what it found, and detect-secrets-hook ends red.",
)
@pytest.mark.proves(f"{FOLDER}/history.sh")
def test_a_deleted_password_is_found_in_the_history(
    walk: Walk, base: Path, record_property: Any
) -> None:
    *before, last, kind = told(walk, "history.sh")
    assert before == ["the file: green", "the log: green", "a shallow clone: refused"]
    assert (last, kind) == ("the history: refused", "Secret Type: Secret Keyword")
    folder, line = base / "history", "password: kept-for-ever\n"
    assert "for-ever" not in (folder / "settings.yml").read_text()
    assert f"-{line}" in (folder / "log.txt").read_text()
    assert f"+{line}" in (folder / "log.txt").read_text()
    assert run(folder / "shallow", "git", "log", "--format=%s").stdout == "Delete the password\n"
    assert not (folder / "versions").exists()  # each password would lie there
    script = (SNIPPETS / FOLDER / "history.sh").read_text()
    second = re.findall(r'  test "\$\(git .* \|\| return\n', script)
    assert len(second) == 1
    function = script[script.index("scan() {") : script.index("\n}\n") + 3]
    unaware = function.replace(second[0], "") + "scan shallow && test -e report.txt"
    assert run(folder, "sh", "-euc", unaware).returncode == 0
    for name, end in ("settings.yml", 1), ("settings.py", 0):
        (base / name).write_text(line)
        assert run(base, "detect-secrets-hook", "--no-verify", name).returncode == end
    (folder / "again.yml").write_text(line)
    command = "detect-secrets scan"
    done = run(folder, *command.split(), "--no-verify", "again.yml")
    status = done.returncode
    record_property("says", f"{command} ends with status {status} and writes what it found")
    assert [one["type"] for one in json.loads(done.stdout)["results"]["again.yml"]] == [
        "Secret Keyword"
    ]
    red = run(folder, "detect-secrets-hook", "--no-verify", "again.yml").returncode
    record_property("says", f"detect-secrets-hook ends {'red' if red else 'green'}")


@pytest.mark.holds(
    "In settings.py, a line with the comment pragma: allowlist secret passes.",
)
@pytest.mark.proves(f"{FOLDER}/history.sh")
def test_what_the_scan_of_the_history_sees(tmp_path: Path) -> None:
    script = """
git init --quiet --initial-branch=main && git commit --quiet --allow-empty --message=a
git checkout --quiet -b other && git commit --quiet --allow-empty --message=b
git checkout --quiet main && git commit --quiet --allow-empty --message=c
git merge --quiet --no-ff --no-commit other
{}
git add . && git commit --quiet --message="$said"
"""
    key = "AKIA" + "IOSFODNN7EXAMPLF"  # in two parts, so that nobody takes it for one of ours
    allowed = f"echo '{key}  # pragma: allowlist secret' > settings.py"
    plants = f"""
said={key}
echo {key} > notes.txt
printf '{key}\\n\\0' > data
echo '{key}  # pragma' > settings.py
mkdir 'a b'; echo {key} > 'a b/c d'
"""
    for name, plant, status in ("plants", plants, 1), ("allowed", f"said=m; {allowed}", 0):
        folder = tmp_path / name
        folder.mkdir()
        assert run(folder, "sh", "-euc", script.format(plant)).returncode == 0
        assert scan_of(folder, "scan .").returncode == status
        assert not (folder / "versions").exists()
    report = (tmp_path / "plants/report.txt").read_text()
    found = re.findall(r"^Location: +versions/(?:\w+/)?(.+):1$", report, re.MULTILINE)
    assert {*found} == {"notes.txt", "data", "settings.py", "c d", "messages.txt"}
    renamed, there = tmp_path / "renamed", tmp_path / "there"
    renamed.mkdir()
    rename = "git mv settings.yml settings.yml.j2 && git commit --quiet --message=a"
    plant = r"said=m; printf '{{ vault }}\npassword: kept-for-ever\n' > settings.yml"
    assert run(renamed, "sh", "-euc", f"{script.format(plant)}{rename}").returncode == 0
    assert run(renamed, "detect-secrets-hook", "settings.yml.j2").returncode == 0
    assert scan_of(renamed, "scan .").returncode == 1  # under the name that it had
    assert run(renamed, "git", "config", "uploadpack.allowFilter", "true").returncode == 0
    clone = ["clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{renamed}"]
    assert run(tmp_path, "git", *clone, "partial").returncode == 0
    renamed.rename(there)
    assert "could not fetch" in scan_of(tmp_path / "partial", "scan .").stderr
    assert scan_of(tmp_path / "partial", "scan . || exit 3").returncode == 3
    (tmp_path / "none").mkdir()
    assert scan_of(tmp_path / "none", "scan . || exit 3").returncode == 3


ASKS = """
import base64, requests, sys, types
def get(url, headers):
    print("asked with", base64.b64decode(headers["Authorization"].split()[1]).decode())
    return types.SimpleNamespace(status_code=200)
requests.get = get
from detect_secrets.pre_commit_hook import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.holds(
    "Without --no-verify, detect-secrets sends each Stripe key that it finds to Stripe, to ask whether it works.",
)
@pytest.mark.proves(f"{FOLDER}/history.sh")
def test_no_key_is_sent_to_its_service(tmp_path: Path, record_property: Any) -> None:
    assert "detect-secrets-hook --no-verify" in (SNIPPETS / FOLDER / "history.sh").read_text()
    key = "sk_" + "live_" + "a1B2" * 6  # in two parts, so that nobody takes it for one of ours
    (tmp_path / "keys.txt").write_text(f"key = {key}\n")
    for options, asked in (["--no-verify"], False), ([], True):
        done = run(tmp_path, sys.executable, "-c", ASKS, *options, "keys.txt")
        sent = f"asked with {key}" in done.stdout
        assert (done.returncode, sent) == (1, asked), done.stderr
        if sent:
            how = "With" if options else "Without"
            record_property("says", f"{how} --no-verify, detect-secrets sends each Stripe key")
        assert "Secret Type: Stripe Access Key" in done.stdout


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with two releases of each package."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for name, versions in RELEASES.items():
        needs = {"Requires_Dist": "urllib3"} if name == "requests" else {}
        for version in versions:
            wheel(folder, name, version, **needs)
    return folder


RELEASES = {"requests": ("2.34.1", "2.34.2"), "urllib3": ("2.7.0", "2.8.0")}


@pytest.fixture
def registry(packages: Path) -> Iterator[str]:
    """The address of a registry with two releases of each package: of a month ago and of today."""
    ages = {
        f"{name}-{version}-py3-none-any.whl": timedelta(days=days)
        for name, versions in RELEASES.items()
        for version, days in zip(versions, (30, 0), strict=True)
    }
    with serving(packages, ages) as address:
        yield address


@pytest.mark.holds(
    "uv locks the newest release that has been out for a week, and the newest of all for urllib3.",
    "With this file, uv pip sync refuses a lock that names a younger release.",
    "uv finds no release in a registry that doesn't tell when each was uploaded.",
    "Beside this file, uv ignores [tool.uv] in pyproject.toml.",
)
@pytest.mark.proves(f"{FOLDER}/uv.toml")
def test_a_new_release_waits_a_week(registry: str, packages: Path, tmp_path: Path) -> None:
    settings = (SNIPPETS / FOLDER / "uv.toml").read_text()
    week = settings.partition("[")[0]
    (tmp_path / "in.txt").write_text("requests")

    def uv(text: str, command: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "uv.toml").write_text(text)
        told = f"uv {command} --default-index={registry} --no-cache"
        return run(tmp_path, *told.split(), UV_OFFLINE="0")

    def locked(text: str) -> list[str]:
        done = uv(text, "pip compile --quiet --no-header --no-annotate in.txt")
        return done.stdout.split() or [done.stderr]

    assert tomllib.loads(week) == {"exclude-newer": "7 days"}
    assert locked("") == ["requests==2.34.2", "urllib3==2.8.0"]
    assert locked(week) == ["requests==2.34.1", "urllib3==2.7.0"]
    assert locked(settings) == ["requests==2.34.1", "urllib3==2.8.0"]
    (tmp_path / "lock.txt").write_text("requests==2.34.2\nurllib3==2.8.0\n")
    refused = uv(settings, "pip sync --target=there lock.txt")
    assert "there is no version of requests==2.34.2" in refused.stderr
    assert uv("", "pip sync --target=there lock.txt").returncode == 0
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nconstraint-dependencies = ["urllib3<2"]\n')
    assert locked(settings) == ["requests==2.34.1", "urllib3==2.8.0"]
    (tmp_path / "uv.toml").unlink()
    command = f"uv pip compile --quiet in.txt --default-index={registry} --no-cache"
    assert "urllib3<2" in run(tmp_path, *command.split(), UV_OFFLINE="0").stderr
    (tmp_path / "pyproject.toml").unlink()
    for listed in packages.glob("*/index.html"):
        told = json.loads(listed.read_text())
        for file in told["files"]:
            del file["upload-time"]
        listed.write_text(json.dumps(told))
    assert "there are no versions of requests" in locked(week)[0]
    assert locked("") == ["requests==2.34.2", "urllib3==2.8.0"]


@pytest.mark.holds(
    "The service lets Dependabot propose a release that has been out for 7 days, and a security update ignores cooldown:",
)
@pytest.mark.proves("service/.github/dependabot.yml")
def test_the_bot_of_the_service_waits_as_long() -> None:
    told_of = yaml.safe_load((SERVICE / ".github/dependabot.yml").read_text())["updates"]
    assert {each["cooldown"]["default-days"] for each in told_of} == {7}
    assert "pip" in {each["package-ecosystem"] for each in told_of}
