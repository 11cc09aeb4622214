"""What holds for all pages and snippets together, once everything has run."""

import os
import re

import psutil

from tests.engine import prose
from tests.engine.ledger import escapes
from tests.engine.pages import ROOT, SNIPPETS, RefusedError
from tests.engine.proof import Session, tree
from tests.engine.run import MARK

SHOWN_BY_NONE = (SNIPPETS / "data",)  # facts that sentences use


def test_every_snippet_is_shown() -> None:
    shown = {block.file for page in prose.pages() for block in prose.blocks(page)}
    for file in sorted(SNIPPETS.rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in file.parts)
        if file.is_file() and not hidden and file not in shown:
            if not any(file.is_relative_to(folder) for folder in SHOWN_BY_NONE):
                raise RefusedError(
                    file, 1, "no page shows this file", "Show it on a page, or delete it"
                )


def test_every_escape_tells_its_reason() -> None:
    for escape in escapes():
        if not escape["reason"]:
            raise RefusedError(
                ROOT / str(escape["path"]),
                int(escape["line"]),
                f"{escape['kind']} gives no reason",
                "Write the reason on the same line, two spaces after it",
            )


def test_nothing_is_left_running() -> None:
    for process in psutil.process_iter():
        try:
            session, _, item = process.environ().get(MARK, "").partition(" ")
            if session != str(os.getpid()) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            command = " ".join(process.cmdline())
            process.kill()
        except psutil.Error:
            continue
        file, _, name = item.partition("::")
        line = re.match(r"line (\d+)", name)
        raise RefusedError(
            ROOT / file,
            int(line[1]) if line else 1,
            f"{name} leaves a process running: {command}",
            "End what it starts",
        )


def test_no_file_is_left_behind(proof_session: Session) -> None:
    for file in sorted(tree() - proof_session.tree):
        raise RefusedError(
            file, 1, "the file was left behind by this session", "Write to tmp_path"
        )
