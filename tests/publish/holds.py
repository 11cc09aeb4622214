"""What must be true before a version is published, each with the way to mend it."""

import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from packaging.version import Version

from tests.engine import ledger, pages
from tests.prove import pythons
from tests.pythons.merge import run_of

VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){1,2}")
DEV = "dev"


class RefusedError(Exception):
    """What stands against publishing, and the way out."""


def hold_version(version: str) -> None:
    """Refuse what is neither a release nor the name of what isn't released yet."""
    if version != DEV and not VERSION.fullmatch(version):
        raise RefusedError(
            f"{version!r} is no version. Say VERSION=1.2, VERSION=1.2.3 or VERSION=dev"
        )


def hold_changelog(version: str, folder: Path) -> None:
    """Refuse a release of which the changelog says nothing."""
    text = (folder / "CHANGELOG.md").read_text()
    found = re.search(rf"^## \[{re.escape(version)}\].*\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if not found or not re.search(r"^- ", found[1], re.MULTILINE):
        cure = f"Write what changed for readers under `## [{version}]`"
        raise RefusedError(f"CHANGELOG.md says nothing of {version}. {cure}")


def hold_ledger(commit: str) -> dict[str, Any]:
    """Return the ledger; refuse one of another commit, and one that tells of what isn't proven."""
    cure = "Run `make test` on a clean checkout of this commit"
    try:
        told = ledger.load()
    except pages.RefusedError as refused:
        raise RefusedError(str(refused).removesuffix(".")) from None
    if not told["blocks"]:
        raise RefusedError(f"there is no ledger. {cure}")
    others = {run["commit"] for run in told["runs"]} - {commit}
    if others:
        other = min(str(one) for one in others)
        raise RefusedError(f"the ledger tells of a run on {other}, this is {commit}. {cure}")
    for block in told["blocks"]:
        if bad := {proof["outcome"] for proof in block["proofs"]} - {"passed"}:
            raise RefusedError(f"{block['page']}:{block['line']}: the block is {min(bad)}. {cure}")
    for claim in told["claims"]:
        if claim.get("outcome", "passed") != "passed":
            raise RefusedError(f"{claim['page']}:{claim['line']}: a claim isn't held. {cure}")
    hold_pythons(told)
    return told


def hold_pythons(told: dict[str, Any]) -> None:
    """Refuse a ledger of which something isn't proven on each Python that is supported."""
    runs = {run["id"]: pythons.minor(run["python"]) for run in told["runs"]}
    supported = pythons.tested(pages.ROOT / pythons.WORKFLOW)
    for thing in (*told["blocks"], *told["claims"]):
        proven = thing.get("pythons", [runs[run_of(thing)]])
        since = Version(thing.get("since", "0"))
        wanted = [python for python in supported if Version(python) >= since]
        if missing := [python for python in wanted if python not in proven]:
            where = f"{thing['page']}:{thing['line']}: it isn't proven"
            cure = "Run `make pythons` on a clean checkout of this commit"
            raise RefusedError(f"{where} on Python {pythons.words(missing)}. {cure}")


def hold_counts(home: str, told: dict[str, Any]) -> None:
    """Refuse a site that shows another number of blocks than the ledger proves."""
    meta = BeautifulSoup(home, "html.parser").select_one("meta[name=blocks]")
    listed = str(meta["content"]).split(",") if meta else []
    shown = {name: int(count) for name, count in (one.split() for one in listed if one.strip())}
    for name, count in shown.items():
        proven = sum(block["page"] == f"{name}.md" for block in told["blocks"])
        if proven != count:
            cure = "Run `make test` on a clean checkout of this commit"
            raise RefusedError(f"docs/{name}.md shows {count} blocks, {proven} are proven. {cure}")
