"""Read and write the ledger, the only thing that passes from tests to site."""

import datetime
import hashlib
import json
import os
import platform
import re
import secrets
import subprocess
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.engine.pages import DOCS, ROOT

LEDGER = DOCS / "ledger.json"
SCHEMA = Path(__file__).with_name("ledger.schema.json")
ESCAPE = re.compile(
    r"# (?P<comment>noqa|type: ignore|pragma: no cover)"
    r"|pytest\.(?:mark\.)?(?P<mark>skipif|skip|xfail|importorskip)\b"
)


class EditedError(Exception):
    """The ledger is not as a session wrote it."""


def digest(ledger: dict[str, Any]) -> str:
    """Return the hash of all that the ledger says, but for the hash itself."""
    content = {key: value for key, value in ledger.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load() -> dict[str, Any] | None:
    """Return the ledger, or None where there is none.

    Raises `EditedError` if it is not as a session wrote it.
    """
    if not LEDGER.exists():
        return None
    try:
        ledger: dict[str, Any] = json.loads(LEDGER.read_text())
        intact = ledger["digest"] == digest(ledger)
    except (ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise EditedError(
            "docs/ledger.json:1: the ledger is not as a session wrote it. "
            "Delete it and run `make test`."
        )
    return ledger


def write(run: dict[str, Any], blocks: list[dict[str, Any]], kept: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    """Write the blocks that this run proved and those kept from runs before, at once."""
    blocks = sorted([*kept, *blocks], key=lambda block: (block["page"], block["line"]))
    used = {proof["run"] for block in blocks for proof in block["proofs"]}
    ledger: dict[str, Any] = {
        "runs": [entry for entry in [*before, run] if entry["id"] in used],
        "blocks": blocks,
        "escapes": escapes(),
    }
    ledger["digest"] = digest(ledger)
    with tempfile.NamedTemporaryFile("w", dir=DOCS, prefix=".ledger-", delete=False) as file:
        json.dump(ledger, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).chmod(0o644)
        Path(file.name).replace(LEDGER)


def this_run() -> dict[str, Any]:
    """Return what the ledger says of the session that is running."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = [
        re.split(r"[^\w-]", requirement)[0]
        for requirement in project["dependency-groups"]["snippets"]
    ]
    return {
        "id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in sorted(names)},
        "commit": commit(),
        "date": now.isoformat(),
    }


def commit() -> str | None:
    """Return the commit that is checked out, marked where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return None
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    return head.stdout.strip() + ("-dirty" if status.stdout else "")


def escapes() -> list[dict[str, str | int]]:
    """Return each place where a check is told to look away, with its reason."""
    found = []
    for folder in ("docs", "snippets", "tests"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for number, line in enumerate(file.read_text().splitlines(), start=1):
                match = ESCAPE.search(line)
                if match and file != Path(__file__):
                    found.append(
                        {
                            "path": str(file.relative_to(ROOT)),
                            "line": number,
                            "kind": match["comment"] or match["mark"],
                            "reason": reason(line[match.end() :]),
                        }
                    )
    return found


def reason(rest: str) -> str:
    """Return the reason that a line gives after an escape, or nothing."""
    told = re.search(r'reason="([^"]+)"', rest) or re.search(r"  +(?:# )?(\S.*)", rest)
    return told[1] if told else ""
