"""Merge ledgers of one commit, one for each Python: each record tells on which it was proven.

A merged record is that of the first Python that proved it, with a run for each that did.
"""

import secrets
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.engine import ledger, pages
from tests.fresh.locks import RefusedError
from tests.prove.pythons import minor, words

Ledger = dict[str, Any]
KINDS = {"blocks": "block", "claims": "claim"}


def read(file: Path) -> Ledger:
    """Return the ledger of a file; refuse one that isn't there, or was edited."""
    if not file.is_file():
        raise RefusedError(f"there is no ledger {file}. Name one that a session wrote")
    try:
        return ledger.load(file)
    except pages.RefusedError as refused:
        raise RefusedError(str(refused).removesuffix(".")) from None


def merged(ledgers: dict[str, Ledger], commit: str) -> Ledger:
    """Return what the ledgers of some files prove together of a commit."""
    by_python = dict[str, Ledger]()
    for name, told in ledgers.items():
        python = held(name, told, commit)
        if python in by_python:
            raise RefusedError(f"{name} is a second ledger of Python {python}. Give one of each")
        by_python[python] = told
    by_python = dict(sorted(by_python.items(), key=lambda item: Version(item[0])))
    whole = {**next(iter(by_python.values()))}
    used = set[str]()
    for key in KINDS:
        whole[key] = together(key, by_python)
        used |= {run for one in whole[key] for run in [run_of(one), *one["pythons"].values()]}
    runs = [run for told in by_python.values() for run in told["runs"]]
    whole["runs"] = [run for run in runs if run["id"] in used]
    whole["digest"] = ledger.digest(whole)
    return whole


def held(name: str, told: Ledger, commit: str) -> str:
    """Return the Python of a ledger; refuse one of several, of another commit, and of nothing."""
    cure = f"Prove {commit} on each Python"
    if not told["blocks"]:
        raise RefusedError(f"{name} tells of no block. {cure}")
    for run in told["runs"]:
        if run["commit"] != commit:
            raise RefusedError(f"{name} tells of a run on {run['commit']}, not {commit}. {cure}")
    pythons = sorted({minor(run["python"]) for run in told["runs"]}, key=Version)
    if len(pythons) != 1:
        raise RefusedError(f"{name} is of Python {words(pythons)}. Give a ledger of each")
    return pythons[0]


def together(key: str, ledgers: dict[str, Ledger]) -> list[Ledger]:
    """Return the records of a kind, each with the Pythons on which it was proven."""
    each = {p: {one["id"]: one for one in told[key]} for p, told in ledgers.items()}
    (first, known), *others = each.items()
    for python, there in others:
        for identity in sorted(known.keys() ^ there.keys()):
            alone, lacks = (first, python) if identity in known else (python, first)
            at = place(each[alone][identity])
            raise RefusedError(
                f"{at}: Python {alone} knows this {KINDS[key]}, Python {lacks} doesn't"
            )
    return [joined(key, {p: there[one] for p, there in each.items()}) for one in known]


def joined(key: str, records: dict[str, Ledger]) -> Ledger:
    """Return one record of those of each Python; refuse other text, and what failed."""
    first, base = next(iter(records.items()))
    proven = dict[str, Ledger]()
    for python, one in records.items():
        where = f"{place(one)}: the {KINDS[key]}"
        if one["sha256"] != base["sha256"]:
            raise RefusedError(f"{where} has another text on Python {python} than on {first}")
        outcome = one["proofs"][0] if "proofs" in one else one
        if outcome["outcome"] == "failed":
            raise RefusedError(f"{where} is failed on Python {python}. Mend it, and prove it again")
        if outcome["outcome"] == "passed":
            proven[python] = one
    base = next(iter(proven.values()), base)
    return {**base, "pythons": {python: run_of(one) for python, one in proven.items()}}


def run_of(record: Ledger) -> str:
    """Return the run of a block's proof, or of a claim."""
    run: str = (record["proofs"][0] if "proofs" in record else record)["run"]
    return run


def place(record: Ledger) -> str:
    """Return the file and the line of a block or a claim."""
    home = "" if record["page"] == "README.md" else "docs/"
    return f"{home}{record['page']}:{record['line']}"


def pythons(told: Ledger) -> list[str]:
    """Return the Pythons of which a merged ledger is."""
    found = {python for key in KINDS for one in told[key] for python in one["pythons"]}
    return sorted(found, key=Version)


def write(told: Ledger, file: Path) -> None:
    """Write a ledger at once, in place of the one that is there."""
    fresh = file.with_name(f".ledger-{secrets.token_hex(4)}")
    fresh.write_text(ledger.text(told))
    fresh.replace(file)
