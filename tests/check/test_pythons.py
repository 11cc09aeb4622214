"""Every supported Python: what each proved is merged, and whatever stands against it is said."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.check.repository import git
from tests.check.test_commands import commit
from tests.check.test_oracle import SCHEMA
from tests.check.tiny_pythons import OLD, VERSIONS, planted, posing, rewrite, stands
from tests.engine import ledger
from tests.engine.pages import ROOT
from tests.fresh.locks import RefusedError
from tests.parts.copies import copied
from tests.pythons import interpreters, merge, proving
from tests.pythons.__main__ import main
from tests.pythons.interpreters import Python, installed
from tests.service.conftest import shell

Give = Callable[..., None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project, with something in the place of its ledger."""
    return planted(tmp_path / "tiny")


@pytest.fixture
def give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Give:
    """Let interpreters of some versions be found: this one, which poses as them."""

    def give(*versions: str) -> None:
        each = [Python(version, str(posing(tmp_path, version))) for version in versions]
        monkeypatch.setattr(proving, "installed", lambda _: {one.minor: one for one in each})

    return give


def test_each_python_proves_all_and_each_record_tells_which(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    give(*reversed(VERSIONS))
    assert main([], root) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"Python {version}: 1 blocks and 1 claims proven." for version in VERSIONS),
        "docs/ledger.json is of Python 3.11, 3.12 and 3.13.",
    ]
    told = merge.read(root / "docs/ledger.json")
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)
    wanted = {"3.11": "run-3.11.7", "3.12": "run-3.12.1", "3.13": "run-3.13.0"}
    assert [one["pythons"] for one in (*told["blocks"], *told["claims"])] == [wanted, wanted]
    assert [run["id"] for run in told["runs"]] == [*wanted.values()]
    assert told["blocks"][0]["proofs"][0]["run"] == "run-3.11.7"
    assert not [*(root / "docs").glob(".ledger-*")]


def test_a_block_that_is_red_on_one_is_named_and_changes_nothing(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(root, "snippets/a.py", "import os\nassert os.environ['TINY'] != '3.12.1', 'old'\n")
    give(*VERSIONS)
    assert main([], root) == 1
    said = capsys.readouterr()
    red = "snippets/a.py:1: on Python 3.12: it fails: AssertionError('old')"
    assert said.out.splitlines()[1:3] == ["Python 3.12.1: it is red.", f"  {red}"]
    assert "Python 3.13.0: 1 blocks and 1 claims proven." in said.out  # the others still run
    assert said.err == "Nothing was changed: Python 3.12 is red.\n"
    assert stands(root) == OLD


def test_one_that_is_not_found_is_said_and_the_others_run(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    give("3.11.7", "3.13.0")
    assert main([], root) == 0
    said = capsys.readouterr().out.splitlines()
    cure = "Install it, such as by `.venv/bin/uv python install 3.12`, then run this again."
    assert said[1] == f"Python 3.12: it isn't found. {cure}"
    assert said[3] == (
        "docs/ledger.json is of Python 3.11 and 3.13."
        " Python 3.12 is missing: no release is made of it."
    )
    assert merge.pythons(merge.read(root / "docs/ledger.json")) == ["3.11", "3.13"]
    give()
    assert main([], root) == 2
    assert "no Python proved anything" in capsys.readouterr().err


@pytest.mark.parametrize("red", [False, True])
def test_one_that_is_not_supported_yet_stands_in_nobodys_way(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str], *, red: bool
) -> None:
    check = f"assert os.environ['TINY'] != '3.14.0' or not {red}"
    rewrite(root, "snippets/a.py", f"import os\n{check}\n")
    give(*VERSIONS, "3.14.0")
    assert main([], root) == 0
    said = "it is red. It isn't supported, so" if red else "1 blocks and"
    assert f"\nPython 3.14.0: {said}" in capsys.readouterr().out
    newer = [] if red else ["3.14"]
    assert merge.pythons(merge.read(root / "docs/ledger.json")) == ["3.11", "3.12", "3.13", *newer]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_python_that_disappears_is_an_error_and_changes_nothing(
    root: Path, give: Give, tmp_path: Path, capsys: pytest.CaptureFixture[str], when: str
) -> None:
    rewrite(root, "snippets/a.py", "import os\nos.unlink(os.environ['SELF'])\n1 / 0\n")
    give("3.12.1")
    if when == "before":
        (tmp_path / "3.12.1").unlink()
    assert main([], root) == 2
    path = tmp_path / "3.12.1"
    cure = "Bring it back, then run this again"
    assert capsys.readouterr().err == (
        f"Nothing was changed: Python 3.12.1 has gone: there is no {path} now. {cure}.\n"
    )
    assert stands(root) == OLD


def test_an_environment_that_cannot_be_made_is_red(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(root, "Makefile", ".venv/ready:\n\t@echo 'no such wheel' >&2; exit 1\n")
    give("3.12.1")
    assert main([], root) == 1
    assert "Makefile:1: no environment on Python 3.12.1: no such wheel" in capsys.readouterr().out
    assert stands(root) == OLD


def test_what_is_not_committed_is_refused(
    root: Path, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    give(*VERSIONS)
    (root / "docs/a.md").write_text("# B\n")
    assert main([], root) == 2
    said = "Nothing was changed: docs/a.md isn't committed. Commit it, or remove it.\n"
    assert capsys.readouterr().err == said
    assert stands(root) == OLD


def test_a_commit_meanwhile_is_not_what_was_proven(root: Path, give: Give) -> None:
    give("3.12.1")
    head = git(root, "rev-parse", "HEAD")

    def moves(line: str) -> None:
        if "proven" in line:
            rewrite(root, "docs/a.md", "# B\n")

    with pytest.raises(RefusedError, match=f"{head} was proven, and this is another commit now"):
        proving.everywhere(root, moves)
    assert stands(root) == OLD


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_changes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise end

    monkeypatch.setattr(proving, "installed", interrupted)
    if end is KeyboardInterrupt:
        assert main([], root) == 130
    else:
        with pytest.raises(end):
            main([], root)
    assert stands(root) == OLD


LISTED = [
    ("3.13.0", "cpython", "default"),
    ("3.13.9", "cpython", "freethreaded"),
    ("3.14.0rc1", "cpython", "default"),
    ("3.11.2", "cpython", "default"),
    ("3.11.7", "cpython", "default"),
    ("3.11.7", "cpython", "default"),
    ("3.12.9", "pypy", "default"),
    ("3.10.13", "cpython", "default"),
]


def test_the_newest_of_each_that_is_allowed_is_taken(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("version", "implementation", "variant", "path")
    listed = [
        dict(zip(keys, (*each, f"{tmp_path}/{number}/python"), strict=True))
        for number, each in enumerate(LISTED)
    ]
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").touch()
    virtual = listed[0] | {"version": "3.13.5", "path": f"{tmp_path}/venv/bin/python"}
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps([*listed, virtual])}\nEND\n")
    uv.chmod(0o755)
    monkeypatch.setattr(interpreters, "UV", str(uv))
    found = installed(root)
    assert {minor: Path(one.path).parent.name for minor, one in found.items()} == {
        "3.11": "4",
        "3.13": "0",
    }
    assert [*found] == ["3.11", "3.13"]
    uv.write_text("#!/bin/sh\necho 'uv is ill' >&2; exit 1\n")
    with pytest.raises(RefusedError, match="uv python list failed: uv is ill"):
        installed(root)


def test_what_the_shims_of_a_manager_hide_is_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, shims = tmp_path / "manager/versions/any/bin", tmp_path / "manager/shims"
    for folder in (kept, shims):
        folder.mkdir(parents=True)
        (folder / "python3").symlink_to(Path(sys.executable).resolve())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(shims))
    assert interpreters.places() == [str(kept)]
    assert [one.path for one in installed(root).values()] == [str(kept / "python3")]


def test_two_interpreters_prove_one_block(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = installed(root)
    if len(found) < 2:
        pytest.skip("ONE PYTHON ALONE: install another one")  # a machine may have no second
    assert main([], root) == 0
    said = capsys.readouterr().out
    told = merge.read(root / "docs/ledger.json")
    assert [*told["blocks"][0]["pythons"]] == [*found]
    assert [run["python"] for run in told["runs"]] == [one.version for one in found.values()]
    assert all(f"Python {each.version}: 1 blocks and" in said for each in found.values())


def test_make_hands_on_and_says_what_is_refused(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    (copy / ".venv").symlink_to(sys.prefix)
    commit(copy, "Start")
    (copy / "notes.txt").touch()
    done = subprocess.run(
        ["make", "--silent", "--assume-old=.venv/ready", "pythons"],
        cwd=copy,
        env=shell(),
        capture_output=True,
        text=True,
    )
    assert done.stderr.startswith("Nothing was changed: notes.txt isn't committed.")
    assert "Error 2" in done.stderr and not done.stdout


def test_it_makes_the_environments_of_the_makefile() -> None:
    recipes = (ROOT / "Makefile").read_text()
    for name, target in zip(("READY", "SERVICE_READY"), proving.TARGETS, strict=True):
        assert f"\n{name} := {target}\n" in recipes
        assert f"\n$({name}): " in recipes
    assert ROOT / proving.LEDGER == ledger.LEDGER
