"""Judge mutants as a contribution is judged: by types and lint, then by the suite of the page.

The tools take all mutants in one go. One of which they say what they say of its original goes on to
`pytest docs/<page>.md`, in a copy of the project and in a process that starts warm.
"""

import contextlib
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from multiprocessing.connection import wait
from pathlib import Path

import psutil

from tests.engine.batch import Found
from tests.engine.ledger import LEDGER
from tests.engine.pages import ROOT
from tests.engine.plugin import MARK
from tests.mutate.mutants import Mutant
from tests.mutate.session import suite
from tests.parts.copies import copied
from tests.parts.warden import marked
from tests.refuse.suite import warm

TYPES, BLOCK, TEST, TIME = "types or lint", "its block", "a test", "the time limit"
SURVIVED = "nothing"
CORES = len(os.sched_getaffinity(0))
GRACE = 5.0  # seconds in which an interrupted session may end what it started
CHECK = "from tests.engine.batch import checked; files = sys.stdin.read().splitlines()"
CHECK = f"import pickle, sys; {CHECK}; pickle.dump(checked(files), sys.stdout.buffer)"


def page_of(project: Path, path: str) -> str:
    """Return the page of a snippet: the one that it or its folder is named for."""
    for place in (Path(path).with_suffix(""), *Path(path).parents):
        if (project / f"docs/{place}.md").exists():
            return f"docs/{place}.md"
    sys.exit(f"snippets/{path}:1: no page is named for its folder. Move it to the folder of one.")


def suite_of(project: Path, path: str) -> list[str]:
    """Return the suite of a snippet: its page, its examples, the pages whose snippets import it."""
    name, snippets = f"snippets.{path[:-3].replace('/', '.')}", project / "snippets"
    suite = [page_of(project, path)]
    if f"::: {name}\n" in (project / suite[0]).read_text():
        suite.append("tests/prove/test_docstrings.py")
    imports = re.compile(f"^from {name} import", re.MULTILINE)
    users = [file for file in snippets.rglob("*.py") if imports.search(file.read_text())]
    pages = {page_of(project, str(file.relative_to(snippets))) for file in users}
    return [*suite, *sorted(pages - {suite[0]})]


def found_in(base: Path, mutants: list[Mutant]) -> set[Mutant]:
    """Return the mutants of which the tools say something else than of their original."""
    copy = shutil.copytree(base / "pristine", base / "types", symlinks=True)
    originals, changed = dict[Mutant, Path](), dict[Mutant, Path]()
    for number, mutant in enumerate(mutants):
        file = copy / "snippets" / mutant.path
        originals[mutant] = file.with_name(f"{file.stem}_original.py")
        changed[mutant] = file.with_name(f"{file.stem}_{number}.py")
        shutil.copy(file, originals[mutant])
        changed[mutant].write_text(mutant.source)
    files = "\n".join(map(str, {*originals.values(), *changed.values()}))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=copy,
        env={**os.environ, "PATH": path},
        input=files.encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    shutil.rmtree(copy)
    found: Found = pickle.loads(done.stdout)  # noqa: S301  the child's own
    told = {file: {finding[:3] for finding in findings} for file, findings in found.items()}
    return {m for m in mutants if told.get(changed[m]) != told.get(originals[m])}


class Trial:
    """The suite of a page at work on a copy of the project, in which a snippet may be changed."""

    def __init__(self, base: Path, name: str, path: str, limit: float) -> None:
        self.folder, self.copy, self.limit = base / name, base / name / "copy", limit
        self.output = self.folder / "output"
        shutil.copytree(base / "pristine", self.copy, symlinks=True)
        (self.folder / "tmp").mkdir()
        (self.folder / "tmp").chmod(0o1777)  # what runs as another user writes here too
        self.suite = suite_of(self.copy, path)
        work = (self.copy, [*self.suite, "-o", f"timeout={limit:g}"], self.output, path)
        self.process = warm().Process(target=suite, args=work)
        self.started = time.monotonic()

    @property
    def late(self) -> bool:
        """Tell whether the suite had time for more than a hang that it ends itself."""
        return time.monotonic() > self.started + 3 * self.limit

    def killer(self) -> str:
        """Return what refused the snippet."""
        status = self.output.with_suffix(".status")
        said = self.output.read_text(errors="replace") if self.output.exists() else ""
        if not status.exists() or re.search(r"Timeout \(>|did not end within", said):
            return TIME
        if status.read_text() == "0":
            return SURVIVED
        return BLOCK if re.search(r"^(?:FAILED|ERROR) docs/", said, re.MULTILINE) else TEST

    def end(self) -> None:
        """End the suite and all that it started, and remove the copy."""
        pid, family = self.process.pid, list[psutil.Process]()
        if pid is not None and self.process.is_alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                family += psutil.Process(pid).children(recursive=True)
            self.process.terminate()
            self.process.join(GRACE)
            self.process.kill()
        family += marked(MARK, pid) if pid else []
        for process in psutil.process_iter() if pid else []:
            with contextlib.suppress(OSError):
                if os.getsid(process.pid) == pid:
                    family.append(process)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                while process.status() != psutil.STATUS_ZOMBIE:  # which init may be slow to reap
                    time.sleep(0.001)  # nothing tells of that
        while self.folder.exists():  # a database that lost its session removes its own part
            shutil.rmtree(self.folder, ignore_errors=True)


def trials(
    base: Path, mutants: list[Mutant], limits: dict[str, float]
) -> Generator[tuple[Mutant, str]]:
    """Try mutants, as many at a time as there are cores, and yield what refuses each."""
    waiting, running = list(enumerate(mutants)), dict[Trial, Mutant]()
    try:
        while waiting or running:
            while waiting and len(running) < CORES:
                number, mutant = waiting.pop(0)
                trial = Trial(base, str(number), mutant.path, limits[mutant.path])
                running[trial] = mutant
                (trial.copy / "snippets" / mutant.path).write_text(mutant.source)
                trial.process.start()
            ended = wait([trial.process.sentinel for trial in running], timeout=1)
            for trial in [t for t in running if t.late or t.process.sentinel in ended][:1]:
                killer = trial.killer()
                trial.end()
                yield running.pop(trial), killer
    finally:
        for trial in running:
            trial.end()


def limit_of(base: Path, path: str) -> float:
    """Return how long the suite of a snippet's page may take; refuse a page that is red already.

    What its session keeps for the next one, such as the cache of mypy, is there for the mutants.
    """
    trial = Trial(base, "first", path, 60)
    try:
        trial.process.start()
        trial.process.join()
        if trial.killer() != SURVIVED:
            sys.exit(f"{trial.output.read_text()}\n{trial.suite[0]} is red before it is mutated.")
        shutil.rmtree(base / "pristine")
        trial.copy.rename(base / "pristine")
        return max(5.0, 3 * (time.monotonic() - trial.started))
    finally:
        trial.end()


def judge(base: Path, mutants: list[Mutant]) -> Generator[tuple[Mutant, str]]:
    """Yield what refuses each mutant of the project."""
    pristine = copied(base / "pristine")
    with contextlib.suppress(FileNotFoundError):  # it tells which tests of the service a page needs
        shutil.copy(LEDGER, pristine / "docs")
    pages = {path: page_of(ROOT, path) for path in sorted({mutant.path for mutant in mutants})}
    paths = {page: path for path, page in pages.items()}
    of_page = {page: limit_of(base, path) for page, path in paths.items()}
    found = found_in(base, mutants)
    yield from ((mutant, TYPES) for mutant in mutants if mutant in found)
    limits = {path: of_page[page] for path, page in pages.items()}
    yield from trials(base, [mutant for mutant in mutants if mutant not in found], limits)
