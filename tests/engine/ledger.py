"""Read and write the ledger, the only thing that passes from tests to site."""

import contextlib
import datetime
import hashlib
import json
import platform
import re
import secrets
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.engine.pages import DOCS, ROOT, RefusedError
from tests.engine.proof import Session

LEDGER = DOCS / "ledger.json"


def digest(ledger: dict[str, Any]) -> str:
    """Return the hash of all that the ledger says, but for the hash itself."""
    content = {key: value for key, value in ledger.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load(file: Path | None = None) -> dict[str, Any]:
    """Return the ledger, empty where there is none; refuse one that was edited."""
    file = file or LEDGER
    if not file.exists():
        return {"runs": [], "blocks": [], "claims": []}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        ledger: dict[str, Any] = json.loads(file.read_text())
        if ledger["digest"] == digest(ledger):
            return ledger
    raise RefusedError(file, 1, "it is not as a session wrote it", "Delete it, run `make test`")


def text(ledger: dict[str, Any]) -> str:
    """Return the ledger as it is written: its digest first, and no tag of a template in it."""
    told = json.dumps({"digest": ledger["digest"], **ledger}, indent=1)
    return re.sub(r"\{(?=[{%#])", r"\\u007b", told)


def write(session: Session) -> None:
    """Write what a session proved, and what it left alone of the ledger before, at once."""
    run, now = this_run(), load()
    previous = session.previous if session.blocks else now
    pages = {str(block.page.relative_to(DOCS)) for block in session.blocks.values()}
    pages |= {entry["page"] for entry in session.entries.values()}
    told = {entry["page"] for entry in [*previous["blocks"], *previous.get("claims", [])]}
    pages |= {page for page in told if not any((at / page).exists() for at in (DOCS, ROOT))}
    blocks = [block for block in previous["blocks"] if block["page"] not in pages]
    for entry in session.entries.values():
        entry["proofs"][0]["run"] = run["id"]
        blocks.append(entry)
    claims = [claim | {"run": run["id"]} for claim in session.claims.values()]
    pages |= {claim["page"] for claim in claims}
    claims += [claim for claim in previous.get("claims", []) if claim["page"] not in pages]
    used = {proof["run"] for block in blocks for proof in block["proofs"]}
    used |= {claim["run"] for claim in claims}
    used |= {run for one in [*blocks, *claims] for run in one.get("pythons", {}).values()}
    ledger = {"escapes": []} | previous | now | session.told
    ledger |= {
        "runs": [entry for entry in [*previous["runs"], run] if entry["id"] in used],
        "blocks": sorted(blocks, key=lambda block: (block["page"], block["line"])),
        "claims": sorted(claims, key=lambda claim: (claim["page"], claim["line"])),
    }
    ledger["digest"] = digest(ledger)
    fresh = LEDGER.with_name(f".ledger-{run['id']}")
    fresh.write_text(text(ledger))
    fresh.replace(LEDGER)


def this_run() -> dict[str, Any]:
    """Return what the ledger says of the session that is running."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    names = sorted(re.split(r"[^\w-]", requirement)[0] for requirement in groups["snippets"])
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    head = subprocess.run(["git", "-C", ROOT, *describe], capture_output=True, text=True)
    return {
        "id": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: metadata.version(name) for name in names},
        "commit": head.stdout.strip() or None,
        "date": now.isoformat(),
    }
