"""Prove a commit on a Python: in a clone with the environments of its locks, gone afterwards."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from packaging.version import Version

from tests.fresh import clone, proofs
from tests.fresh.locks import RefusedError
from tests.prove.pythons import WORKFLOW, tested, words
from tests.pythons import merge
from tests.pythons.interpreters import Python, installed
from tests.sessions import PROVE

TARGETS = (".venv/ready", ".venv/service/ready")
LEDGER = "docs/ledger.json"
AGAIN = "then run this again"
Say = Callable[[str], None]


class RedError(Exception):
    """What failed on a Python, a line each."""


def everywhere(root: Path, say: Say) -> str:
    """Prove the commit on each Python that is found, and merge the ledgers; return what was done.

    One that isn't supported yet is tried too: it stands in nobody's way.
    """
    head, supported = clean(root), tested(root / WORKFLOW)
    found, red = installed(root), list[str]()
    ledgers = dict[str, merge.Ledger]()
    for minor in sorted({*supported, *found}, key=Version):
        if minor not in found:
            cure = f"Install it, such as by `.venv/bin/uv python install {minor}`, {AGAIN}"
            say(f"Python {minor}: it isn't found. {cure}.")
            continue
        try:
            ledgers[minor] = on(found[minor], root)
        except RedError as failed:
            red += [minor] if minor in supported else []
            aside = "" if minor in supported else " It isn't supported, so the others go on."
            say(f"Python {found[minor].version}: it is red.{aside}\n{failed}")
        else:
            say(f"Python {found[minor].version}: {counted(ledgers[minor])}.")
    if red:
        raise RedError(f"Nothing was changed: Python {words(red)} is red.")
    if not ledgers:
        raise RefusedError("no Python proved anything. Install one that is supported")
    return written(root, ledgers, head, supported)


def written(root: Path, ledgers: dict[str, merge.Ledger], head: str, supported: list[str]) -> str:
    """Write the merged ledger; return of which Pythons it is, and of which it isn't."""
    if clean(root) != head:
        raise RefusedError(f"{head} was proven, and this is another commit now. Run this again")
    names = {f"the ledger of Python {minor}": told for minor, told in ledgers.items()}
    merge.write(merge.merged(names, head), root / LEDGER)
    missing = [minor for minor in supported if minor not in ledgers]
    lacks = f" Python {words(missing)} is missing: no release is made of it."
    return f"{LEDGER} is of Python {words([*ledgers])}.{lacks if missing else ''}"


def clean(root: Path) -> str:
    """Return the commit; refuse what isn't committed, for the clones wouldn't have it."""
    if changed := clone.git(root, "status", "--porcelain"):
        raise RefusedError(
            f"{changed.splitlines()[0][3:]} isn't committed. Commit it, or remove it"
        )
    return clone.git(root, "rev-parse", "HEAD").strip()


def on(python: Python, root: Path) -> merge.Ledger:
    """Return the ledger of the first session on a Python; raise `RedError` with what failed."""
    with clone.copied(root, "pythons-") as copy:
        try:
            installing(python, copy)
            failures = proofs.run(copy, PROVE)
        except (RedError, OSError):
            still_there(python)
            raise
        if failures:
            still_there(python)
            raise RedError("\n".join(f"  {told(python, one)}" for one in failures))
        return merge.read(copy / LEDGER)


def installing(python: Python, copy: Path) -> None:
    """Make the environments of a copy, as the Makefile does."""
    still_there(python)
    done = subprocess.run(
        ["make", "--silent", *TARGETS, f"PYTHON={python.path}"],
        cwd=copy,
        env=clone.shell(copy),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = proofs.tidy(copy, done.stderr).splitlines() or ["it said nothing"]
        raise RedError(f"  Makefile:1: no environment on Python {python.version}: {last[0]}")


def still_there(python: Python) -> None:
    """Refuse a Python that has gone since it was found."""
    if not Path(python.path).exists():
        cure = f"Bring it back, {AGAIN}"
        raise RefusedError(
            f"Python {python.version} has gone: there is no {python.path} now. {cure}"
        )


def told(python: Python, failure: proofs.Failure) -> str:
    """Return the file and the line of what failed, the Python, and the first line of why."""
    where, (why, *_) = failure.place, [*failure.message.splitlines(), ""]
    if named := proofs.PLACE.match(why):
        where, why = f"{named[1]}:{named[2]}", why[named.end() :].strip()
    if not where or Path(where).is_absolute():  # of a library, which raised it
        where = failure.item
    return f"{where}: on Python {python.minor}: {why}"


def counted(ledger: merge.Ledger) -> str:
    """Return how much a ledger proves, in words."""
    outcomes = [block["proofs"][0]["outcome"] for block in ledger["blocks"]]
    claims = sum(claim["outcome"] == "passed" for claim in ledger["claims"])
    said = f"{outcomes.count('passed')} blocks and {claims} claims proven"
    skipped = outcomes.count("skipped")
    return f"{said}, {skipped} blocks skipped" if skipped else said
