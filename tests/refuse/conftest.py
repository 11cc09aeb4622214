"""Break a copy of the project, run the real suite on it, and read what it says."""

import contextlib
import hashlib
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psutil
import pytest

from tests.parts.copies import copied, warmed
from tests.refuse.edits import Break
from tests.refuse.suite import run, warm


@dataclass
class Answer:
    """What the suite said of a broken copy."""

    copy: Path
    status: int
    output: str
    changed: list[str]


def tree(root: Path) -> dict[str, str]:
    """Return the hash of each file that a contributor would see as changed."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for room in ("docs", "snippets", "tests")
        for path in (root / room).rglob("*")
        if path.is_file()
        and not {"__pycache__", ".hypothesis"} & {*path.parts}
        and path.resolve().name != "ledger.json"
    }


def attempt(case: Break, base: Path, context: ForkServerContext) -> Answer:
    """Break a copy as the case says, run the suite there, and return its answer."""
    copy = base / "copy"
    shutil.copytree(base.parent / "pristine", copy, symlinks=True)
    case.breaking(copy)
    before = tree(copy)
    own = f"--basetemp={base}/own"  # two sessions that clean up one folder hinder each other
    arguments = ["-o", f"timeout={case.limit}", own, *case.arguments]
    process = context.Process(target=run, args=(copy, arguments, base / "output"))
    process.start()
    process.join()  # which may return early when another thread starts or joins one
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(process.pid).wait()
    after = tree(copy)
    changed = sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    status, output = base / "output.status", (base / "output").read_text()
    assert status.exists(), f"the suite gave no status, exit code {process.exitcode}:\n{output}"
    return Answer(copy, int(status.read_text()), output, changed)


ANSWERS = pytest.StashKey[dict[str, "Future[Answer]"]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the selected cases, three at a time, while other tests go on."""
    cases = [
        item.callspec.params.get("case") for item in session.items if hasattr(item, "callspec")
    ]
    wanted = [case for case in cases if isinstance(case, Break)]
    if not wanted or session.config.option.collectonly:
        return
    base = Path(tempfile.mkdtemp(prefix="refuse-"))
    warmed(copied(base / "pristine", ledger=any(case.recorded for case in wanted)))
    pool, context = ThreadPoolExecutor(3), warm()
    session.config.stash[ANSWERS] = {
        case.name: pool.submit(attempt, case, base / str(number), context)
        for number, case in enumerate(wanted)
    }
    session.config.add_cleanup(lambda: shutil.rmtree(base))  # last in, first out
    session.config.add_cleanup(lambda: pool.shutdown(cancel_futures=True))


@pytest.fixture
def answer(pytestconfig: pytest.Config, case: Break) -> Answer:
    """The suite's answer to the case."""
    return pytestconfig.stash[ANSWERS][case.name].result()
