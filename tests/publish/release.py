"""Release a version: hold all that a release needs, then tag this commit and push the tag.

The tag stands nowhere before the remote has taken it, so whatever ends the work leaves no trace.
"""

import datetime
import re
from pathlib import Path

import yaml

from tests.engine.pages import DOCS, ROOT
from tests.publish.holds import DEV, RefusedError, hold_changelog, hold_ledger, hold_version
from tests.publish.site import MAIN, git, newest

SECTION = re.compile(
    r"^## \[(?P<name>[^]]+)\](?P<rest>.*)\n(?P<text>(?:(?!## ).*\n?)*)", re.MULTILINE
)


def release(version: str, remote: str) -> str:
    """Tag this commit as a version, there and here; return what was done."""
    hold_version(version)
    if version == DEV:
        raise RefusedError(f"{DEV} is no release. Say VERSION=1.2: main is published as {DEV}")
    tag = f"v{version}"
    tags = hold_new(tag, remote)
    head = hold_main(remote)
    text = hold_told(version, ROOT)
    hold_pages(tags)
    hold_ledger(head)
    by = git("var", "GIT_COMMITTER_IDENT")
    told = f"object {head}\ntype commit\ntag {tag}\ntagger {by}\n\n{tag}\n\n{text}\n"
    made = git("mktag", stdin=told)
    try:
        git("push", "--quiet", "--atomic", remote, f"{made}:refs/tags/{tag}")
    except RefusedError as refused:
        cure = f"Look at who may push tags to {remote}, and run this again"
        raise RefusedError(f"{refused}. {cure}") from None
    git("update-ref", f"refs/tags/{tag}", made)
    return f"{tag} is on {remote}. Its workflow publishes it, or `make publish VERSION={version}`."


def hold_new(tag: str, remote: str) -> list[str]:
    """Return the tags of the remote; refuse one that exists."""
    if git("tag", "--list", tag):
        cure = f"Choose the next version, or delete it: git tag --delete {tag}"
        raise RefusedError(f"{tag} exists here already. {cure}")
    try:
        listed = git("ls-remote", "--tags", "--refs", remote)
    except RefusedError as refused:
        raise RefusedError(f"{refused}. Say REMOTE=, one of: git remote") from None
    tags = [line.rpartition("refs/tags/")[2] for line in listed.splitlines()]
    if tag in tags:
        raise RefusedError(f"{tag} exists on {remote} already. Choose the next version")
    return tags


def hold_main(remote: str) -> str:
    """Return this commit; refuse one that isn't, as it stands, the newest of the remote's main."""
    if changed := git("status", "--porcelain"):
        cure = "Commit it, or remove it"
        raise RefusedError(f"{changed.splitlines()[0][3:]} isn't committed. {cure}")
    branch = git("rev-parse", "--abbrev-ref", "HEAD")
    if branch != MAIN:
        raise RefusedError(f"the branch is {branch}. Release from {MAIN}: git switch {MAIN}")
    head = git("rev-parse", "HEAD")
    there = git("ls-remote", remote, f"refs/heads/{MAIN}").partition("\t")[0]
    if not there:
        raise RefusedError(f"{remote} has no {MAIN}. Push it: git push {remote} {MAIN}")
    if there != head:
        ahead = there in git("rev-list", "HEAD").splitlines()
        cure = f"Push it: git push {remote} {MAIN}" if ahead else f"Pull: git pull {remote} {MAIN}"
        raise RefusedError(f"{MAIN} is {'ahead of' if ahead else 'behind'} {remote}'s. {cure}")
    return head


def hold_told(version: str, folder: Path) -> str:
    """Return what the changelog says of a version; refuse it without a date, or with a rest."""
    hold_changelog(version, folder)
    told = {one["name"]: one for one in SECTION.finditer((folder / "CHANGELOG.md").read_text())}
    date = told[version]["rest"].removeprefix(" - ").strip()
    try:
        datetime.date.fromisoformat(date)
    except ValueError:
        today = datetime.datetime.now(datetime.UTC).date()
        cure = f"Write the heading as `## [{version}] - {today}`"
        raise RefusedError(f"CHANGELOG.md has no date for {version}. {cure}") from None
    if "Unreleased" in told and re.search(r"^- ", told["Unreleased"]["text"], re.MULTILINE):
        cure = f"Move it below `## [{version}]`"
        raise RefusedError(f"CHANGELOG.md still has something that isn't released. {cure}")
    return told[version]["text"].strip()


def hold_pages(tags: list[str]) -> None:
    """Refuse a release in which a page of the one before has gone, and leads nowhere."""
    before = newest([tag.removeprefix("v") for tag in tags])
    if not before:
        return
    tag = f"refs/tags/v{before}"
    if not git("tag", "--list", f"v{before}"):
        raise RefusedError(f"v{before} isn't known here. Fetch it: git fetch --tags")
    listed = git("ls-tree", "-r", "--name-only", tag, "--", "docs").splitlines()
    there = {path.removeprefix("docs/") for path in listed if path.endswith(".md")}
    gone = {page for page in there if not (DOCS / page).exists()} - {*redirects()}
    if gone:
        cure = "Say below `redirect_maps` in mkdocs.yml which page has its content now"
        raise RefusedError(f"docs/{min(gone)} of {before} is gone. {cure}")


def redirects() -> dict[str, str]:
    """Return where each page that moved is now, as mkdocs.yml says."""
    plugins = (ROOT / "mkdocs.yml").read_text().partition("\n  - redirects:\n")[2]
    table = yaml.safe_load(plugins.partition("\n  - ")[0]) or {}
    found: dict[str, str] = table.get("redirect_maps") or {}
    return found
