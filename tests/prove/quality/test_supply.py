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
SCRIPTS = ["gate.sh", "planted.sh", "squat.sh", "history.sh"]
Walk = dict[str, subprocess.CompletedProcess[str]]


INSTRUCTIONS = [
    "Compare what is installed with what was meant",
    "Take a package that an advisory names, and say which of your images install it.",
    "Compare what is installed with the lock, look at each new name in the lock, and scan the whole history for secrets.",
    "If you don't know where to begin, begin with the SBOM of what your image installs.",
    "Write a lock with hashes.",
    "Install uv, cyclonedx-bom and packaging, write the SBOM of the environment, and compare it with the lock:",
    "Leave out --no-validate where you give the SBOM away.",
    "Refuse each licence that nobody allowed",
    "Add a licence to ALLOWED when somebody decided so, and never to make the gate green.",
    "Refuse a name that is almost right",
    "Look at the project page and the source of each new name.",
    "Don't trust a name because it is locked",
    "Don't scan the files alone",
    "Install detect-secrets.",
    "Let the checkout of the pipeline fetch the whole history, by its setting fetch-depth.",
    "Replace a secret that was ever committed: see Replace a key while its tokens are in use.",
    "Write the SBOM in an environment of its own, without pip, from the lock that the image installs.",
    "Compare the lock of each pull request with that of the main branch.",
    "Let a new release wait, and name the package whose mend can't:",
    "Install two packages by hand, one of them in another version, and see the gate refuse them:",
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
        "UV_FIND_LINKS": f"{folder.parent}/wheels",
        "UV_LINK_MODE": "copy",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
    }
    for who in "AUTHOR", "COMMITTER":
        inside |= {f"GIT_{who}_NAME": "A", f"GIT_{who}_EMAIL": "a@example.com"}
    return ended([*map(str, command)], cwd=folder, env=ours | inside | more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the walk, with wheels that stand for a registry."""
    folder = tmp_path_factory.mktemp("supply")
    for name in "wheels", "installed", "history":
        (folder / name).mkdir()
    there, needs = folder / "wheels", {"Requires_Dist": "urllib3"}
    wheel(there, "requests", "2.34.2", License_Expression="Apache-2.0", **needs)
    for name, licence in [
        ("urllib3-2.7.0", "MIT"),
        ("urllib3-2.8.0", "MIT"),
        ("requetss-1.0", "MIT"),
        ("receipts-1.0", "AGPL-3.0-only"),
    ]:
        wheel(there, *name.split("-"), License_Expression=licence)
    for name in "meant.py", "almost.py":
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
    for name in "meant.py", "almost.py":
        session.runs[f"{FOLDER}/{name}"] = Run()  # without its two files it has to end red
    return found


def told(walk: Walk, name: str) -> list[str]:
    """Return the lines that a step said, which are those that the page shows."""
    done, out = walk[name], (SNIPPETS / FOLDER / name).with_suffix(".out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == out.read_text(), done.stderr
    return done.stdout.splitlines()


@pytest.mark.proves(f"{FOLDER}/gate.sh")
def test_what_the_lock_installs_is_green(walk: Walk, base: Path) -> None:
    assert told(walk, "gate.sh") == ["the gate: green"]
    assert (base / "installed/requirements.txt").read_text().count("--hash=sha256:") > 1


@pytest.mark.holds(
    "uv pip check finds nothing wrong: the three packages fit each other.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_what_is_planted_is_refused(walk: Walk) -> None:
    checked, *found, last = told(walk, "planted.sh")
    assert (checked, last) == ("uv pip check: green", "the gate: refused")
    assert found == [
        "receipts 1.0 isn't in the lock",
        "receipts 1.0 has ['AGPL-3.0-only']",
        "urllib3 2.7.0 isn't in the lock",
    ]
    assert "Checked 3 packages" in walk["planted.sh"].stderr


@pytest.mark.holds(
    "This script also compares the licences with a list:",
    "It refuses an empty SBOM, a package whose metadata names no licence, and one of two licences that isn't in ALLOWED.",
)
@pytest.mark.parametrize("snippet", [f"{FOLDER}/meant.py"], indirect=True)
def test_each_part_is_locked_and_its_licences_allowed(snippet: ModuleType) -> None:
    def part(*terms: dict[str, Any], name: str = "PyYAML") -> list[dict[str, Any]]:
        return [{"name": name, "version": "6.0.3", "licenses": list(terms)}]

    mit, old = {"license": {"id": "MIT"}}, {"license": {"name": "License :: Old"}}
    lock, refused = "pyyaml==6.0.3 ; sys_platform == 'x'\n", snippet.refused
    assert (
        refused(part(mit), lock) == refused(part({"expression": "MIT OR Apache-2.0"}), lock) == []
    )
    assert refused([], lock) == ["the SBOM is empty"]
    assert refused([{"name": "PyYAML", "version": "6.0.3"}], lock) == [
        "pyyaml 6.0.3 has no licence"
    ]
    assert refused(part(mit, old), lock) == ["pyyaml 6.0.3 has ['MIT', 'License :: Old']"]
    assert refused(part({"expression": "MIT AND GPL-3.0-only"}), lock)
    assert refused(part(mit), "pyyaml==6.0.30\n") == ["pyyaml 6.0.3 isn't in the lock"]
    assert refused(part(mit, name="yaml"), lock) == ["yaml 6.0.3 isn't in the lock"]


@pytest.mark.holds(
    "The SBOM tells what the metadata says, and a file that changed after the install passes.",
)
@pytest.mark.proves(f"{FOLDER}/planted.sh")
def test_a_changed_file_passes(walk: Walk, base: Path) -> None:
    assert told(walk, "squat.sh")  # it brought the environment back to its lock
    gate = "".join((SNIPPETS / FOLDER / "planted.sh").read_text().splitlines(keepends=True)[2:])
    (module,) = (base / "installed/.venv").glob("lib/*/site-packages/urllib3.py")
    module.write_text("changed = True\n")
    done = run(base / "installed", "sh", "-euc", gate)
    assert (done.returncode, done.stdout) == (0, "")
    assert module.read_text() == "changed = True\n"


@pytest.mark.holds(
    "A name with two letters swapped is locked and installed, with its hash and a green uv pip check.",
    "Here requetss stands for a stranger's package, and the lock has its hash:",
)
@pytest.mark.proves(f"{FOLDER}/squat.sh")
def test_a_name_that_is_almost_right_is_locked_and_refused(walk: Walk, base: Path) -> None:
    *green, near, last = told(walk, "squat.sh")
    assert green == ["install: green", "the SBOM: green"]
    assert (near, last) == ("requetss: nearly requests", "the names: refused")
    lock = (base / "installed/requirements.txt").read_text()
    assert re.search(r"^requetss==1.0 \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert "requetss" not in (base / "installed/known.txt").read_text()
    done = run(base / "installed", "uv", "pip", "check")
    assert "All installed packages are compatible" in done.stderr


@pytest.mark.parametrize("snippet", [f"{FOLDER}/meant.py", f"{FOLDER}/almost.py"], indirect=True)
def test_a_script_ends_red_and_says_why(
    snippet: ModuleType, walk: Walk, base: Path, capsys: Any, monkeypatch: Any
) -> None:
    names, folder = ("sbom.json", "requirements.txt", "known.txt"), base / "installed"
    sbom, new, old = (str(folder / name) for name in names)
    assert told(walk, "squat.sh")

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


@pytest.mark.holds(
    "A commit that deletes a password leaves it in the history:",
    "A clone with --depth=1 has the last commit alone, so the scan is green on nothing.",
    "detect-secrets scan ends with status 0 and writes what it found, and detect-secrets-hook ends red.",
)
@pytest.mark.proves(f"{FOLDER}/history.sh")
def test_a_deleted_password_is_found_in_the_history(walk: Walk, base: Path) -> None:
    *green, last, kind = told(walk, "history.sh")
    assert green == ["the files: green", "a shallow clone: green", "scan: green"]
    assert (last, kind) == ("the history: refused", "Secret Type: Basic Auth Credentials")
    folder = base / "history"
    assert "for-ever" not in (folder / "settings.py").read_text()
    assert run(folder / "shallow", "git", "log", "--format=%s").stdout == "Delete the password\n"
    command = ["detect-secrets", "scan", "--no-verify", "history.txt"]
    found = json.loads(run(folder, *command).stdout)["results"]
    assert [one["type"] for one in found["history.txt"]] == ["Basic Auth Credentials"]


@pytest.mark.holds(
    "Without --diff-merges, git log leaves out what a merge adds, and without --text the files that git takes for binary.",
)
@pytest.mark.proves(f"{FOLDER}/history.sh")
def test_what_a_plain_log_leaves_out(tmp_path: Path) -> None:
    script = """
git init --quiet --initial-branch=main && git commit --quiet --allow-empty --message=a
git checkout --quiet -b other && git commit --quiet --allow-empty --message=b
git checkout --quiet main && git commit --quiet --allow-empty --message=c
git merge --quiet --no-ff --no-commit other
echo merged-in > notes && git add notes && git commit --quiet --message=m
printf 'kept-in-\\0bytes' > data && git add data && git commit --quiet --message=d
"""
    assert run(tmp_path, "sh", "-eu", "-c", script).returncode == 0
    (options,) = re.findall(r"log (--all .*) >", (SNIPPETS / FOLDER / "history.sh").read_text())
    for lacking, lost in ("--text", "kept-in-"), ("--diff-merges=separate", "merged-in"):
        whole = f"git log {options}"
        assert lost in run(tmp_path, *whole.split()).stdout
        fewer = whole.replace(lacking, "").split()
        assert len(fewer) == len(whole.split()) - 1
        assert lost not in run(tmp_path, *fewer).stdout


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
def test_no_key_is_sent_to_its_service(tmp_path: Path) -> None:
    assert "detect-secrets-hook --no-verify" in (SNIPPETS / FOLDER / "history.sh").read_text()
    key = "sk_" + "live_" + "a1B2" * 6  # in two parts, so that nobody takes it for one of ours
    (tmp_path / "keys.txt").write_text(f"key = {key}\n")
    for options, asked in (["--no-verify"], False), ([], True):
        done = run(tmp_path, sys.executable, "-c", ASKS, *options, "keys.txt")
        assert (done.returncode, f"asked with {key}" in done.stdout) == (1, asked), done.stderr
        assert "Secret Type: Stripe Access Key" in done.stdout


@pytest.fixture
def registry(base: Path) -> Iterator[str]:
    """The address of a registry with two releases of each package: of a month ago and of today."""
    wheel(base / "wheels", "requests", "2.34.1", Requires_Dist="urllib3")
    releases = {"requests": ("2.34.1", "2.34.2"), "urllib3": ("2.7.0", "2.8.0")}
    ages = {
        f"{name}-{version}-py3-none-any.whl": timedelta(days=days)
        for name, versions in releases.items()
        for version, days in zip(versions, (30, 0), strict=True)
    }
    with serving(base / "wheels", ages) as address:
        yield address


@pytest.mark.holds(
    "uv locks the newest release that has been out for a week, and the newest of all for urllib3.",
)
@pytest.mark.proves(f"{FOLDER}/uv.toml")
def test_a_new_release_waits_a_week(registry: str, tmp_path: Path) -> None:
    settings = (SNIPPETS / FOLDER / "uv.toml").read_text()
    week = settings.partition("[")[0]

    def locked(text: str) -> list[str]:
        (tmp_path / "uv.toml").write_text(text)
        (tmp_path / "in.txt").write_text("requests")
        command = (
            f"uv pip compile --quiet --no-header --no-annotate in.txt --default-index={registry}"
        )
        online = {"UV_OFFLINE": "0", "UV_NO_INDEX": "0", "UV_FIND_LINKS": str(tmp_path)}
        done = run(tmp_path, *command.split(), **online)
        return done.stdout.split() or [done.stderr]

    assert tomllib.loads(week) == {"exclude-newer": "7 days"}
    assert locked("") == ["requests==2.34.2", "urllib3==2.8.0"]
    assert locked(week) == ["requests==2.34.1", "urllib3==2.7.0"]
    assert locked(settings) == ["requests==2.34.1", "urllib3==2.8.0"]


@pytest.mark.holds(
    "The service lets Dependabot propose a release that has been out for 7 days:",
)
@pytest.mark.proves("service/.github/dependabot.yml")
def test_the_bot_of_the_service_waits_as_long() -> None:
    told_of = yaml.safe_load((SERVICE / ".github/dependabot.yml").read_text())["updates"]
    assert {each["cooldown"]["default-days"] for each in told_of} == {7}
    assert "pip" in {each["package-ecosystem"] for each in told_of}
