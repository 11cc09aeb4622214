"""Publish a version of the site into a branch of a remote, whole or not at all.

All is built and committed in a clone in a temporary folder. One push at the end is all that the
remote sees, so that whatever ends the work before leaves everything as it was.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.ledger import LEDGER
from tests.engine.pages import ROOT
from tests.publish import book
from tests.publish.holds import (
    DEV,
    VERSION,
    RefusedError,
    hold_changelog,
    hold_counts,
    hold_ledger,
    hold_version,
)

NEWEST, MAIN = "latest", "main"


def publish(version: str, remote: str, branch: str) -> str:
    """Build this commit's site as a version, and push it; return what was done."""
    hold_version(version)
    head = hold_pushed(version, remote)
    if version != DEV:
        hold_changelog(version, ROOT)
    told = hold_ledger(head)
    with cloned(remote, branch, head) as clone:
        before = published(clone, branch)
        if version != DEV and version in before:
            cure = "Choose the next version, or take this one down: make retract"
            raise RefusedError(f"{version} is published already. {cure}")
        shutil.copy(LEDGER, clone / LEDGER.relative_to(ROOT))
        aliases = [NEWEST] if newest([*before, version]) == version else []
        os.environ["BUILT_AT"] = f"/{version}/"  # its pages name the newest ones as canonical
        os.environ["STRICT"] = "true"
        mike(clone, "deploy", "--branch", branch, "--update-aliases", version, *aliases)
        hold_counts(git("show", f"{branch}:{version}/index.html", cwd=clone), told)
        bind(clone, branch, version)
        settle(clone, branch)
        push(clone, branch)
    return f"{version} is published on {branch} of {remote}."


def retract(version: str, remote: str, branch: str) -> str:
    """Take a version down, and push that; return what was done."""
    with cloned(remote, branch, git("rev-parse", "HEAD")) as clone:
        before = published(clone, branch)
        if version not in before:
            there = ", ".join(before) or "none"
            raise RefusedError(f"{version} isn't published. What is: {there}")
        mike(clone, "delete", "--branch", branch, version)
        left = newest([one for one in before if one != version])
        if left and NEWEST in before[version]:
            mike(clone, "alias", "--branch", branch, "--update-aliases", left, NEWEST)
        settle(clone, branch)
        push(clone, branch)
    return f"{version} is taken down from {branch} of {remote}."


def newest(versions: list[str]) -> str | None:
    """Return the highest release."""
    releases = [one for one in versions if VERSION.fullmatch(one)]
    return max(releases, key=lambda one: [int(part) for part in one.split(".")], default=None)


def hold_pushed(version: str, remote: str) -> str:
    """Return this commit; refuse one that others can't get, since nobody could build its site."""
    if changed := git("status", "--porcelain"):
        raise RefusedError(
            f"{changed.splitlines()[0][3:]} isn't committed. Commit it, or remove it"
        )
    head = git("rev-parse", "HEAD")
    ref = f"refs/heads/{MAIN}" if version == DEV else f"refs/tags/v{version}"
    there = dict(line.split()[::-1] for line in git("ls-remote", remote, f"{ref}*").splitlines())
    found = there.get(f"{ref}^{{}}", there.get(ref))  # an annotated tag names its commit so
    name = ref.rpartition("/")[2]
    if not found:
        raise RefusedError(
            f"{remote} has no {name}. Tag this commit, and push it: git push {remote} {name}"
        )
    if found != head:
        raise RefusedError(
            f"{name} of {remote} is {found}, this is {head}. Check that out, or push"
        )
    return head


@contextmanager
def cloned(remote: str, branch: str, head: str) -> Iterator[Path]:
    """Give a clone of this commit that has the remote's branch and pushes there."""
    address = git("remote", "get-url", remote)
    if "://" not in address and not re.match(r"[\w.-]+@?[\w.-]*:", address):
        address = str((ROOT / address).resolve())  # a path is of this folder, not of the clone
    with tempfile.TemporaryDirectory(prefix="publish-") as folder:
        clone = Path(folder, "clone")
        git("clone", "--quiet", "--shared", "--no-checkout", ROOT, clone)
        git("checkout", "--quiet", "--detach", head, cwd=clone)
        git("remote", "set-url", "origin", address, cwd=clone)
        for name in ("user.name", "user.email"):
            if told := subprocess.run(
                ["git", "config", name], cwd=ROOT, capture_output=True, text=True
            ).stdout.strip():
                git("config", name, told, cwd=clone)
        if git("ls-remote", "origin", f"refs/heads/{branch}", cwd=clone):
            git(
                "fetch", "--quiet", "origin", f"+refs/heads/{branch}:refs/heads/{branch}", cwd=clone
            )
        yield clone


def published(clone: Path, branch: str) -> dict[str, list[str]]:
    """Return the versions that the branch has, each with its aliases."""
    if not git("branch", "--list", branch, cwd=clone):
        return {}
    told = json.loads(mike(clone, "list", "--branch", branch, "--json"))
    return {version["version"]: version["aliases"] for version in told}


def bind(clone: Path, branch: str, version: str) -> None:
    """Add the pages as Markdown to a version of the branch."""
    tree = clone.with_name("tree")
    git("worktree", "add", "--quiet", tree, branch, cwd=clone)
    book.write(tree / version)
    git("add", "--all", cwd=tree)
    git("commit", "--quiet", "--amend", "--no-edit", cwd=tree)
    git("worktree", "remove", "--force", tree, cwd=clone)


def settle(clone: Path, branch: str) -> None:
    """Let the address of the host lead to the newest release, or to what there is."""
    there = published(clone, branch)
    if NEWEST in {alias for aliases in there.values() for alias in aliases}:
        mike(clone, "set-default", "--branch", branch, "--allow-empty", NEWEST)
    elif there:
        mike(clone, "set-default", "--branch", branch, "--allow-empty", next(iter(there)))


def push(clone: Path, branch: str) -> None:
    """Push the branch: the only step that anybody sees, and never over somebody else's."""
    git("push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/{branch}", cwd=clone)


def git(*arguments: str | Path, cwd: Path | None = None, stdin: str = "") -> str:
    """Run git; return what it printed, or raise `RefusedError` with its last words."""
    return run(["git", *arguments], cwd or ROOT, f"git {arguments[0]}", stdin)


def mike(clone: Path, *arguments: str) -> str:
    """Run mike in the clone, so by the configuration of the commit."""
    return run([Path(sys.executable).with_name("mike"), *arguments], clone, f"mike {arguments[0]}")


def run(command: list[str | Path], cwd: Path, name: str, stdin: str = "") -> str:
    """Run a command; return what it printed, or raise `RefusedError` with what it died of."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, input=stdin, capture_output=True, text=True
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        deadly = [line for line in lines if line.startswith(("WARNING", "fatal:"))]
        raise RefusedError(f"{name} failed: {[*deadly, lines[-1]][0].removesuffix('.')}")
    return done.stdout.rstrip()
