"""A release: each thing that must be true is asked for, and one that isn't changes nothing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.check.repository import git, prove, redirect, state
from tests.check.test_commands import commit
from tests.engine import ledger, pages
from tests.parts import clock
from tests.parts.copies import copied
from tests.publish import changes, release, site
from tests.publish.__main__ import main
from tests.service.conftest import shell

TOLD = "# Changelog\n\n## [Unreleased]\n\n## [{}] - 2026-01-02\n\n### Added\n\n- It is there.\n"
PAGE = "docs/concurrency/timeouts.md"
HELD = "tests/prove/concurrency/test_timeouts.py"
HOOK = "remote.git/hooks/pre-receive"

Break = Callable[[Path], object]


def settle(copy: Path, message: str = "Go on") -> None:
    """Commit all, push it and prove it."""
    commit(copy, message)
    git(copy, "push", "--quiet", "origin", "main")
    prove(copy)


def write(copy: Path, path: str, old: str, new: str) -> None:
    """Write another text into a file of the copy."""
    text = (copy / path).read_text()
    assert old in text
    (copy / path).write_text(text.replace(old, new, 1))


def run(version: str, remote: str = "origin") -> str:
    """Release as `make release` does; return what was said against it."""
    return main("release", version, remote) or ""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a changelog of one version, and a remote of its own."""
    base = tmp_path_factory.mktemp("release")
    copy = copied(base / "copy")
    (copy / ".venv").symlink_to(sys.prefix)
    (copy / "CHANGELOG.md").write_text(TOLD.format("0.1"))
    commit(copy, "Start")
    git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(base / "remote.git"))
    git(copy, "remote", "add", "origin", str(base / "remote.git"))
    git(copy, "update-ref", "refs/start", "HEAD")
    return copy


@pytest.fixture
def copy(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone as it was at the start, pushed, proven, without tags: what is released here."""
    for module in (pages, site, release, changes):
        monkeypatch.setattr(module, "ROOT", clone)
    monkeypatch.setattr(release, "DOCS", clone / "docs")
    monkeypatch.setattr(ledger, "LEDGER", clone / "docs/ledger.json")
    (clone.parent / HOOK).unlink(missing_ok=True)
    git(clone, "checkout", "--quiet", "--force", "-B", "main", "refs/start")
    git(clone, "clean", "--quiet", "--force", "-d")
    git(clone, "push", "--quiet", "--force", "origin", "main")
    for tag in git(clone, "ls-remote", "--refs", "--tags", "origin").split()[1::2]:
        git(clone, "push", "--quiet", "origin", f":{tag}")
    for tag in git(clone, "tag").split():
        git(clone, "tag", "--delete", tag)
    prove(clone)
    return clone


def test_a_release_is_tagged_here_and_there_and_made_once(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("0.1") == ""
    assert capsys.readouterr().out.startswith("v0.1 is on origin. Its workflow publishes it")
    head = git(copy, "rev-parse", "HEAD")
    assert f"{head}\trefs/tags/v0.1^{{}}" in git(copy, "ls-remote", "origin")
    assert git(copy, "cat-file", "-t", "v0.1") == "tag"
    told = git(copy, "tag", "--list", "--format=%(contents)", "v0.1")
    assert told == "v0.1\n\n### Added\n\n- It is there."
    before = state(copy)
    assert run("0.1") == (
        "Nothing was changed: v0.1 exists here already. "
        "Choose the next version, or delete it: git tag --delete v0.1."
    )
    assert state(copy) == before
    write(copy, "CHANGELOG.md", TOLD.format("0.1"), TOLD.format("0.2"))
    settle(copy)
    assert run("0.2") == ""
    assert {"v0.1", "v0.2"} == set(git(copy, "tag").split())


def tagged(copy: Path, *, here: bool) -> None:
    """Let the tag exist, here alone or there alone."""
    git(copy, "tag", "v0.1")
    if not here:
        git(copy, "push", "--quiet", "origin", "v0.1")
        git(copy, "tag", "--delete", "v0.1")


def behind(copy: Path) -> None:
    """Let somebody else push a commit."""
    git(copy, "commit", "--quiet", "--allow-empty", "-m", "Go on")
    git(copy, "push", "--quiet", "origin", "main")
    git(copy, "reset", "--quiet", "--hard", "HEAD~")


def told(copy: Path, old: str, new: str) -> None:
    """Let the changelog say something else."""
    write(copy, "CHANGELOG.md", old, new)
    settle(copy)


def vanished(copy: Path, *, known: bool = True) -> None:
    """Remove a page of the release before, whose tag is known here, or isn't."""
    git(copy, "tag", "v0.0.9")
    git(copy, "push", "--quiet", "origin", "v0.0.9")
    if not known:
        git(copy, "tag", "--delete", "v0.0.9")
    (copy / PAGE).unlink()
    settle(copy)


def hooked(copy: Path, text: str) -> None:
    """Let the remote ask a script of what is pushed."""
    hook = copy.parent / HOOK
    hook.write_text(f"#!/bin/sh\n{text}\n")
    hook.chmod(0o755)


def one_run(copy: Path) -> None:
    """Let the claim be of one run, as each is before ledgers are merged."""
    prove(copy)
    told = ledger.load()
    del told["claims"][0]["pythons"]
    told["digest"] = ledger.digest(told)
    (copy / "docs/ledger.json").write_text(ledger.text(told))


REFUSED: dict[str, tuple[Break, str]] = {
    "tag here": (lambda copy: tagged(copy, here=True), "v0.1 exists here already. Choose"),
    "tag there": (lambda copy: tagged(copy, here=False), "v0.1 exists on origin already. Choose"),
    "changed": (
        lambda copy: write(copy, "Makefile", "help", "hulp"),
        "Makefile isn't committed. Commit it, or remove it",
    ),
    "new file": (
        lambda copy: (copy / "notes.txt").touch(),
        "notes.txt isn't committed. Commit it, or remove it",
    ),
    "other branch": (
        lambda copy: git(copy, "checkout", "--quiet", "-B", "next"),
        "the branch is next. Release from main: git switch main",
    ),
    "no branch": (
        lambda copy: git(copy, "checkout", "--quiet", "--detach"),
        "the branch is HEAD. Release from main: git switch main",
    ),
    "ahead": (
        lambda copy: git(copy, "commit", "--quiet", "--allow-empty", "-m", "Go on"),
        "main is ahead of origin's. Push it: git push origin main",
    ),
    "behind": (behind, "main is behind origin's. Pull: git pull origin main"),
    "not told": (
        lambda copy: told(copy, "[0.1]", "[0.2]"),
        "CHANGELOG.md says nothing of 0.1. Write what changed",
    ),
    "told nothing": (
        lambda copy: told(copy, "- It is there.\n", ""),
        "CHANGELOG.md says nothing of 0.1. Write what changed",
    ),
    "no date": (
        lambda copy: told(copy, " - 2026-01-02", ""),
        "CHANGELOG.md has no date for 0.1. Write the heading as `## [0.1] - 20",
    ),
    "no day": (
        lambda copy: told(copy, "01-02", "13-02"),
        "CHANGELOG.md has no date for 0.1. Write the heading as `## [0.1] - 20",
    ),
    "a rest": (
        lambda copy: told(copy, "d]\n", "d]\n\n### Fixed\n\n- More.\n"),
        "CHANGELOG.md still has something that isn't released. Move it below `## [0.1]`",
    ),
    "page gone": (vanished, f"{PAGE} of 0.0.9 is gone. Say below `redirect_maps` in mkdocs.yml"),
    "tag unknown": (
        lambda copy: vanished(copy, known=False),
        "v0.0.9 isn't known here. Fetch it: git fetch --tags",
    ),
    "no ledger": (
        lambda copy: (copy / "docs/ledger.json").unlink(),
        "there is no ledger. Run `make test`",
    ),
    "edited ledger": (
        lambda copy: write(copy, "docs/ledger.json", "passed", "failed"),
        "docs/ledger.json:1: it is not as a session wrote it. Delete it, run `make test`",
    ),
    "other ledger": (
        lambda copy: prove(copy, of="HEAD^{tree}"),
        "the ledger tells of a run on ",
    ),
    "block": (lambda copy: prove(copy, block="failed"), "a.md:1: the block is failed. Run"),
    "claim": (lambda copy: prove(copy, claim="failed"), "a.md:2: a claim isn't held. Run"),
    "Python": (
        lambda copy: prove(copy, on={"3.12": "run"}),
        "a.md:1: it isn't proven on Python 3.11 and 3.13. Run `make pythons` on a clean checkout",
    ),
    "one run": (one_run, "a.md:2: it isn't proven on Python 3.12 and 3.13. Run `make pythons`"),
    "remote": (lambda copy: hooked(copy, "exit 1"), "git push failed: error: failed to push"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_true_is_said_and_nothing_changes(copy: Path, name: str) -> None:
    how, says = REFUSED[name]
    how(copy)
    before = state(copy)
    for _ in range(2):
        said = run("0.1")
        assert said.startswith(f"Nothing was changed: {says}"), said
        assert "\n" not in said
        assert state(copy) == before


@pytest.mark.parametrize(
    ("version", "remote", "says"),
    [
        ("", "origin", "'' is no version. Say VERSION=1.2"),
        ("one", "origin", "'one' is no version. Say VERSION=1.2"),
        ("v0.1", "origin", "'v0.1' is no version. Say VERSION=1.2"),
        ("0.01", "origin", "'0.01' is no version. Say VERSION=1.2"),
        ("dev", "origin", "dev is no release. Say VERSION=1.2"),
        ("0.1", "nowhere", "git ls-remote failed: fatal: 'nowhere' does not appear"),
    ],
)
def test_what_is_no_version_or_no_remote_is_refused(
    copy: Path, version: str, remote: str, says: str
) -> None:
    before = state(copy)
    assert run(version, remote).startswith(f"Nothing was changed: {says}")
    assert state(copy) == before


def test_a_page_that_moved_is_no_page_that_is_gone(copy: Path) -> None:
    vanished(copy)
    redirect(copy, "concurrency/timeouts.md", "concurrency/clients.md")
    settle(copy)
    assert run("0.1") == ""


def test_a_killed_release_leaves_no_tag(copy: Path) -> None:
    begun, end = copy.parent / "begun", copy.parent / "end"
    hooked(copy, f"touch {begun}; while ! test -e {end}; do sleep 0.1; done; exit 1")
    before = state(copy)
    command = [sys.executable, "-m", "tests.publish", "release", "0.1", "origin"]
    process = subprocess.Popen(command, cwd=copy, stderr=subprocess.DEVNULL)
    clock.wait(begun.exists)
    process.kill()
    process.wait()
    end.touch()
    clock.wait(lambda: not [*(copy.parent / "remote.git/objects").glob("tmp_objdir-*")])
    assert state(copy) == before


def test_make_hands_on_what_it_is_told(copy: Path) -> None:
    make = ["make", "--silent", "--assume-old=.venv/ready"]  # the environment is this one
    for command, said in (
        (["release", "VERSION=one"], "Nothing was changed: 'one' is no version"),
        (["changes", "SINCE=v9"], "there is no v9. Choose one of: git tag."),
        (["changes"], "no tag is named. Say SINCE=v1.1."),
    ):
        done = subprocess.run(
            [*make, *command], cwd=copy, env=shell(), capture_output=True, text=True
        )
        assert said in done.stderr


def test_the_claims_that_changed_are_told_with_the_commits_that_say_why(copy: Path) -> None:
    assert changes.changes("refs/start") == "No claim changed since refs/start."
    text = (copy / HELD).read_text()
    sentence = text.partition("@pytest.mark.holds(")[2].split('"')[1]
    write(copy, HELD, sentence, f"{sentence[:-1]}, as before.")
    commit(copy, "Measure it again")
    assert changes.changes("refs/start") == (
        f"{PAGE}\n  - {sentence}\n  + {sentence[:-1]}, as before.\n  because: Measure it again"
    )
    (copy / PAGE).unlink()
    commit(copy, "Take the page away")
    lines = changes.changes("refs/start").splitlines()
    assert {line[:4] for line in lines[1:]} == {"  - ", "  be"}
    assert lines[-2:] == ["  because: Take the page away", "  because: Measure it again"]
