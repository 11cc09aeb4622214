"""What holds for all pages and snippets together, once everything has run."""

import os
import re
import subprocess
from itertools import zip_longest
from pathlib import Path

import psutil
import pytest
from pytest_examples.lint import black_format

from tests.engine import pages
from tests.engine.pages import DOCS, ROOT, SNIPPETS, RefusedError
from tests.engine.plugin import MARK, STATE
from tests.engine.run import LAYOUT
from tests.parts.warden import marked
from tests.prove import (
    account,
    agreed,
    claims,
    contents,
    escapes,
    holding,
    novel,
    prose,
    says,
    style,
    twins,
)


def tree(*rooms: Path, end: str = "") -> list[Path]:
    """Return the files of some rooms, but for hidden and compiled ones."""
    found = []
    for room in rooms or (DOCS, SNIPPETS, ROOT / "tests"):
        for folder, folders, names in os.walk(room):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            found += [Path(folder, n) for n in names if n.endswith(end) and not n.startswith(".")]
    return sorted(found)


BEFORE = tree()
SERVICE = SNIPPETS / "service"  # a project of its own, with its own gates
README = ROOT / "README.md"
SHOWN_BY_NONE = (SNIPPETS / "data", SERVICE)  # the first holds facts that sentences use


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=claims.page_id(page)) for page in [*prose.pages(), README]]
)
def test_sentences_are_true(page: Path, request: pytest.FixtureRequest) -> None:
    updating = request.config.option.update_examples
    tests = [item for item in request.session.items if item.path == ROOT / pages.test_of(page)]
    if updating:
        prose.update_versions()
        contents.write()
        carried = claims.carry(page)
        claims.enlist(page)
        if refused := novel.unshown(page, carried, tests):
            raise RefusedError.of(refused)
        holding.record(ROOT / pages.test_of(page), agreed.renewed(page))
    if page != README:
        prose.hold_navigation(page)
    prose.hold_versions(page)
    if not updating:
        style.hold(page)
    session = request.config.stash[STATE]
    if not tests and (ROOT / pages.test_of(page)).exists():
        return  # what its sentences rest on isn't run
    twins.hold_page(page, request.config.stash[twins.TWINS], updating=updating)
    quoted, codes = account.words(page)
    given = quoted | {*says.given(tests, "figure")}
    failed = session.failed & {item.nodeid for item in tests}
    failed |= {name for name in session.failed if name.startswith(f"{page.relative_to(ROOT)}::")}
    red = bool(failed or session.red & {block.path for block in prose.blocks(page)})
    if not updating:
        judge = holding.Judge(page, tests, session)
        refused = [*contents.hold(page), *claims.stale(judge.file), *judge.judge(red=red)]
        agree = [] if red else [*holding.weakened(judge.file), *agreed.changed(page)]
        if refused := refused or agree:
            raise RefusedError.of(refused)
        given, codes = given | judge.figures, codes | judge.codes
    if not (red or updating):
        prose.hold_code(page, codes)
        prose.hold_figures(page, given)
        if refused := agreed.unknown(page):  # last: the others say more
            raise RefusedError.of(refused)


def test_each_picture_is_drawn_from_data_that_a_test_records(
    request: pytest.FixtureRequest,
) -> None:
    session = request.config.stash[STATE]
    tested = {item.path for item in request.session.items}
    shown = {block.page for block in session.blocks.values()}
    for page in [
        page for page in prose.pages() if page in shown or ROOT / pages.test_of(page) in tested
    ]:
        for line, picture in prose.pictures(page):
            data = str(picture.with_suffix(".json").relative_to(SNIPPETS))
            if not session.proving[data] & (session.passed | session.failed):
                reason = f"no test records {data}, from which the picture is drawn"
                cure = f"Record it in {pages.test_of(page)}, under pytest.mark.proves"
                raise RefusedError(page, line, reason, cure)


def test_every_snippet_is_shown() -> None:
    shown = {block.file for page in prose.pages() for block in prose.blocks(page)}
    shown |= {file for page in prose.pages() for _, file in prose.pictures(page)}
    shown |= {file for page in prose.pages() for _, file in prose.references(page)}
    for file in tree(SNIPPETS):
        if file not in shown and not any(file.is_relative_to(room) for room in SHOWN_BY_NONE):
            raise RefusedError(
                file, 1, "no page shows this file", "Show it on a page, or delete it"
            )


def test_python_is_laid_out_as_black_would() -> None:
    for file in tree(SNIPPETS, end=".py"):
        if file.is_relative_to(SERVICE):
            continue
        source = file.read_text()
        pairs = zip_longest(source.splitlines(), black_format(source, LAYOUT).splitlines())
        for line, (now, then) in enumerate(pairs, start=1):
            if now != then:
                raise RefusedError(file, line, f"black writes {then!r}", "Write it so")


def test_shell_passes_shellcheck() -> None:
    scripts = [file for file in tree(SNIPPETS, end=".sh") if not file.is_relative_to(SERVICE)]
    command = ["shellcheck", "--shell=sh", "--format=gcc", *map(str, scripts)]
    for told in subprocess.run(command, capture_output=True, text=True).stdout.splitlines():
        file, line, _, reason = told.split(":", 3)
        raise RefusedError(Path(file), int(line), f"shellcheck:{reason}", "Mend the script")


def test_no_shown_code_hides_from_coverage() -> None:
    for file in tree(SNIPPETS, end=".py"):
        for line, text in enumerate(file.read_text().splitlines(), start=1):
            if re.search(r"#\s*pragma:", text):
                raise RefusedError(file, line, "a pragma stands in shown code", "Remove it")


def test_every_escape_tells_its_reason(pytestconfig: pytest.Config) -> None:
    told = pytestconfig.stash[STATE].told["escapes"] = []
    for file in tree(SNIPPETS, ROOT / "tests", end=".py"):
        for line, kind, reason in escapes.escapes(file, slept=not file.is_relative_to(SNIPPETS)):
            if not reason:
                cure = "Write the reason on the same line, two spaces after it"
                raise RefusedError(file, line, f"{kind} gives no reason", cure)
            path = str(file.relative_to(ROOT))
            told.append({"path": path, "line": line, "kind": kind, "reason": reason})


def test_nothing_is_left_running() -> None:
    for process in marked(MARK, os.getpid()):
        try:
            item = process.environ()[MARK].partition(" ")[2]
            command = " ".join(process.cmdline())
            process.kill()
        except (psutil.Error, KeyError):  # it has ended meanwhile
            continue
        file, _, name = item.partition("::")
        line = re.match(r"line (\d+)", name)
        raise RefusedError(
            ROOT / file,
            int(line[1]) if line else 1,
            f"{name} leaves a process running: {command}",
            "End what it starts",
        )


def test_no_file_is_left_behind(pytestconfig: pytest.Config) -> None:
    written = ".fails.out" if pytestconfig.option.update_examples else None
    for file in sorted({*tree()} - {*BEFORE}):
        if written and file.name.endswith(written):
            continue
        raise RefusedError(file, 1, "the session left it behind", "Write to a temporary folder")
