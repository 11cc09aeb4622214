"""Take the newest releases, run all proofs, and write what to do: `make fresh DAYS=7`.

It ends with 0 where all holds, 1 where proofs fail, 2 where something else went wrong, 3 where the
registry doesn't answer, and 4 where no versions fit. The project itself stays as it is.
"""

import argparse
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.engine.pages import ROOT
from tests.fresh import texts
from tests.fresh.clone import Environment, Project
from tests.fresh.locks import Lock, RefusedError
from tests.fresh.watch import Found, look
from tests.sessions import PROVE

SERVICE = "snippets/service"
PROJECT = Project(
    root=ROOT,
    locks=(  # as `make lock` compiles them, one limited by the one before
        Lock(SERVICE, "requirements.txt", ("pyproject.toml",)),
        Lock(
            SERVICE,
            "requirements-dev.txt",
            ("--constraint", "requirements.txt", "--group", "dev", "pyproject.toml"),
        ),
        Lock(
            SERVICE,
            "requirements-build.txt",
            ("--constraint", "requirements-dev.txt", "--group", "build"),
        ),
        Lock(
            ".",
            "requirements.txt",
            (
                *("--constraint", f"{SERVICE}/requirements-dev.txt"),
                *("--group", "site", "--group", "snippets", "--group", "tests"),
            ),
        ),
        Lock(
            ".",
            "requirements-successor.txt",
            ("--constraint", "requirements.txt", "--group", "successor"),
        ),
    ),
    environments=(
        Environment(".venv", "requirements.txt"),
        Environment(".venv/service", f"{SERVICE}/requirements-dev.txt", SERVICE),
    ),
    update=("docs", "tests/prove"),
    proofs=tuple(PROVE),
    pictures="tests/check/test_pictures.py",
)


def write(found: Found, folder: Path) -> str:
    """Write the text, and what to apply, into a folder in place of what an older run wrote."""
    folder.mkdir(exist_ok=True)
    text = texts.text(found)
    name, other = ("issue", "pull-request") if found.red else ("pull-request", "issue")
    (folder / f"{other}.md").unlink(missing_ok=True)
    (folder / "changes.patch").unlink(missing_ok=True)
    (folder / f"{name}.md").write_text(text)
    told = f"{text}\nThis text stands in {folder / name}.md."
    if not found.red:
        (folder / "changes.patch").write_text(found.patch)
        told += f" Apply the changes: git apply {folder / 'changes.patch'}"
    return told


def main(arguments: list[str], project: Project = PROJECT) -> int:
    """Look, say what was found, and return the status."""
    parser = argparse.ArgumentParser(prog="make fresh", description=__doc__)
    parser.add_argument("--days", type=int, default=7, help="how old a release is at least")
    parser.add_argument("--minutes", type=int, default=8, help="how long subsets are tried")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    limit = timedelta(minutes=options.minutes)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        found = look(project, datetime.now(UTC), options.days, limit, say)
    except RefusedError as refused:
        say(f"Nothing was changed, and no upgrade is to blame: {refused}.")
        return refused.status
    except KeyboardInterrupt:
        say("Nothing was changed: it was interrupted.")
        return 130
    if not found.upgrades:
        print(f"There is nothing new. {texts.rest(found)}")
        return 0
    print(write(found, project.root / "fresh"))
    return int(found.red)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
