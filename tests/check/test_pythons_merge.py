"""Ledgers of each Python are merged whole or not at all: whatever doesn't fit is said."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.check.repository import git
from tests.check.tiny_pythons import OLD, VERSIONS, planted, stands
from tests.engine import ledger
from tests.pythons import merge, proving
from tests.pythons.__main__ import main

Ledger = dict[str, Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project, with something in the place of its ledger."""
    return planted(tmp_path / "tiny")


def one(root: Path, version: str) -> Ledger:
    """Return the ledger that the session writes on a Python, and leave the project as it was."""
    kept = stands(root)
    subprocess.run(
        [sys.executable, "pytest.py"], cwd=root, env={**os.environ, "TINY": version}, check=True
    )
    told: Ledger = json.loads(stands(root))
    (root / "docs/ledger.json").write_text(kept)
    return told


def store(file: Path, told: Ledger) -> str:
    """Write a ledger with its digest; return where it stands."""
    file.write_text(ledger.text(told | {"digest": ledger.digest(told)}))
    return str(file)


def changed(kind: str, **told: object) -> Callable[[Ledger], None]:
    """Return a change of the first record of a kind."""
    return lambda one: one[kind][0].update(told)


def failed(one: Ledger) -> None:
    """Let the block be failed."""
    one["blocks"][0]["proofs"][0]["outcome"] = "failed"


REFUSED: dict[str, tuple[Callable[[Ledger], object], str]] = {
    "other commit": (
        changed("runs", commit="0" * 40),
        f"b.json tells of a run on {'0' * 40}, not {{head}}. Prove {{head}} on each Python",
    ),
    "changes": (
        lambda one: one["runs"][0].update(commit=f"{one['runs'][0]['commit']}-dirty"),
        "b.json tells of a run on {head}-dirty, not {head}. Prove {head} on each Python",
    ),
    "other text": (
        changed("blocks", sha256="0" * 64),
        "docs/a.md:3: the block has another text on Python 3.12 than on 3.11",
    ),
    "other sentence": (
        changed("claims", sha256="0" * 64),
        "docs/a.md:1: the claim has another text on Python 3.12 than on 3.11",
    ),
    "failed block": (failed, "docs/a.md:3: the block is failed on Python 3.12. Mend it"),
    "failed claim": (
        changed("claims", outcome="failed", page="README.md"),
        "README.md:1: the claim is failed on Python 3.12. Mend it",
    ),
    "block of one": (
        changed("blocks", id="a:2", line=9),
        "docs/a.md:3: Python 3.11 knows this block, Python 3.12 doesn't",
    ),
    "same Python": (
        changed("runs", python="3.11.2"),
        "b.json is a second ledger of Python 3.11. Give one of each",
    ),
    "two Pythons": (
        lambda one: one["runs"].append(one["runs"][0] | {"id": "more", "python": "3.13.0"}),
        "b.json is of Python 3.12 and 3.13. Give a ledger of each",
    ),
    "nothing": (lambda one: one["blocks"].clear(), "b.json tells of no block. Prove {head}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_changes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    how, says = REFUSED[name]
    other = one(root, "3.12.1")
    how(other)
    names = [store(tmp_path / "a.json", one(root, "3.11.7")), store(tmp_path / "b.json", other)]
    assert main(["merge", *names], root) == 2
    said = capsys.readouterr().err.replace(f"{tmp_path}/", "")
    assert said.startswith(
        f"Nothing was changed: {says.format(head=git(root, 'rev-parse', 'HEAD'))}"
    )
    assert said.count("\n") == 1
    assert stands(root) == OLD


def test_a_file_that_is_no_ledger_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.json"
    store(file, one(root, "3.11.7"))
    file.write_text(file.read_text().replace('"label"', '"held"'))
    for arguments, says in (
        (["merge", str(file)], "a.json:1: it is not as a session wrote it"),
        (["merge", str(tmp_path / "b.json")], "there is no ledger"),
        (["merge"], "Say nothing to prove all, or: merge"),
        (["mix", str(file)], "Say nothing to prove all, or: merge"),
    ):
        assert main(arguments, root) == 2
        assert says in capsys.readouterr().err
    assert stands(root) == OLD


def test_what_one_python_skipped_is_told_of_the_others(root: Path, tmp_path: Path) -> None:
    first, second = one(root, "3.11.7"), one(root, "3.12.1")
    first["blocks"][0]["proofs"][0]["outcome"] = "skipped"
    names = [store(tmp_path / "a.json", first), store(tmp_path / "b.json", second)]
    assert main(["merge", *reversed(names)], root) == 0
    told = merge.read(root / "docs/ledger.json")
    assert told["blocks"][0]["pythons"] == {"3.12": "run-3.12.1"}
    assert told["blocks"][0]["proofs"] == second["blocks"][0]["proofs"]
    assert [*told["claims"][0]["pythons"]] == ["3.11", "3.12"]
    assert [run["id"] for run in told["runs"]] == ["run-3.11.7", "run-3.12.1"]
    assert proving.counted(first) == "0 blocks and 1 claims proven, 1 blocks skipped"


def test_a_page_that_is_proven_alone_leaves_the_runs_of_the_others(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [store(tmp_path / f"{v}.json", one(root, v)) for v in VERSIONS]
    assert main(["merge", *names], root) == 0
    monkeypatch.setattr(ledger, "LEDGER", root / "docs/ledger.json")
    monkeypatch.setattr(ledger, "DOCS", root / "docs")
    before = ledger.load()
    (entry,) = one(root, "3.12.1")["blocks"]
    told = SimpleNamespace(
        blocks={}, entries={"b:1": entry | {"id": "b:1", "page": "b.md"}}, claims={}, told={}
    )
    ledger.write(told)  # type: ignore[arg-type]  # it has what is read of a session
    after = ledger.load()
    assert after["blocks"][0] == before["blocks"][0]
    assert after["runs"][:-1] == before["runs"]
