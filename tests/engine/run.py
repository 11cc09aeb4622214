"""Run a snippet as a reader would: whole, as a script, in an empty folder.

A Python snippet runs at its real path in a forked child, so that it starts warm,
changes nothing in the session, and can be ended when it hangs.
"""

import builtins
import contextlib
import faulthandler
import os
import pickle
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import coverage
import pytest
from pytest_examples import CodeExample
from pytest_examples.config import ExamplesConfig
from pytest_examples.run_code import Arg, InsertPrintStatements, PrintStatement

from tests.engine.pages import ROOT

MARK = "PLAYBOOK_ITEM"  # in the environment of each process that an item starts
T = TypeVar("T")
PRINTS = ExamplesConfig(line_length=88, quotes="double")


@dataclass
class Run:
    """What a snippet did."""

    error: str | None = None
    error_line: int | None = None
    matched: bool = False
    prints: list[tuple[int, str, list[str]]] = field(default_factory=list)
    executed: dict[str, list[int]] = field(default_factory=dict)
    output: str = ""
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Fork(Generic[T]):
    """A call under way in a forked child, which leads a process group of its own."""

    def __init__(self, call: Callable[[], T]) -> None:
        """Start the call; the child starts warm and changes nothing here."""
        self.answer = tempfile.TemporaryFile()  # noqa: SIM115  closed by result()
        self.child = os.fork()
        if self.child == 0:
            os.setsid()
            self.answer.write(pickle.dumps(call()))
            self.answer.flush()
            os._exit(0)

    def result(self) -> T | None:
        """Wait for the child; return its answer, or None if it ended without one."""
        os.waitpid(self.child, 0)
        with self.answer:
            self.answer.seek(0)
            pickled = self.answer.read()
        return pickle.loads(pickled) if pickled else None  # noqa: S301  the child's own

    def end(self) -> bool:
        """End what is left of the child's group; tell whether anything was."""
        try:
            os.killpg(self.child, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def run_python(
    file: Path,
    limit: float,
    cov: coverage.Coverage,
    raises: "pytest.RaisesExc[BaseException] | None",
) -> Run:
    """Run a file as a script, and return what it did; `limit` is in seconds.

    `raises` is the exception with which a "don't" may end. A file with a sibling
    `.out` writes its output; elsewhere each print is recorded for its `#>`.
    """
    recorded = not file.with_suffix(".out").exists()
    with workplace() as (folder, left):
        started = time.perf_counter()
        hang, output = folder.parent / "hang", folder.parent / "output"

        def call() -> Run:
            with output.open("wb") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            os.chdir(folder)
            faulthandler.dump_traceback_later(limit, exit=True, file=hang.open("w"))
            return execute(file, cov, raises, recorded)

        fork = Fork(call)
        run = fork.result() or unfinished(hang.read_text(), file, limit)
        if fork.end():
            left.append("a running process")
        run.output = output.read_text()
        run.seconds = time.perf_counter() - started
    run.left = left
    return run


def unfinished(dump: str, file: Path, limit: float) -> Run:
    """Return what is known of a run that gave no answer, out of faulthandler's dump."""
    if not dump:
        return Run(error="it ended the process itself", error_line=1)
    frames = re.findall(rf'File "{re.escape(str(file))}", line (\d+)', dump)
    line = int(frames[0]) if frames else 1
    return Run(error=f"it did not end within {limit:g} s", error_line=line)


@contextlib.contextmanager
def workplace() -> Iterator[tuple[Path, list[str]]]:
    """Yield an empty folder to work in, and a list that tells what was left behind."""
    left: list[str] = []
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        folder, temporary = Path(base, "cwd"), Path(base, "tmp")
        folder.mkdir()
        temporary.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(temporary))
            patch.setattr(tempfile, "tempdir", None)
            yield folder, left
        left += sorted(path.name for path in [*folder.iterdir(), *temporary.iterdir()])


def keep_tree(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse, as an audit hook, to open a file of the project for writing."""
    if event != "open" or not isinstance(arguments[0], str):
        return
    writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes and Path(arguments[0]).resolve().is_relative_to(ROOT):
        raise PermissionError(f"a snippet writes in the project: {arguments[0]}")


def execute(
    file: Path,
    cov: coverage.Coverage,
    raises: "pytest.RaisesExc[BaseException] | None",
    recorded: bool,
) -> Run:
    """Run the file in this process, which is then good for nothing else."""
    run = Run()
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  open until the process ends
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  open until the process ends
    sys.dont_write_bytecode = True
    sys.addaudithook(keep_tree)
    if recorded:
        builtins.print = recorder(str(file), run)
    sys.path.insert(0, str(file.parent))
    sys.argv = [str(file)]
    cov.start()
    try:
        runpy.run_path(str(file), run_name="__main__")
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        numbers = [frame.lineno for frame in frames if frame.filename == str(file)]
        run.error = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
        run.error_line = numbers[-1] if numbers else getattr(error, "lineno", 1)
        run.matched = raises is not None and raises.matches(error)
    cov.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    run.executed = lines_by_file(cov)
    return run


def recorder(file: str, run: Run) -> Callable[..., None]:
    """Return a `print` that records what the file prints and passes on the rest."""
    stock = print

    def record(*values: object, sep: str | None = None, **rest: object) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_filename != file or rest:
            stock(*values, sep=sep, **rest)  # type: ignore[call-overload]  any of print's own
        else:
            texts = [Arg(value).data for value in values]
            run.prints.append((frame.f_lineno, " " if sep is None else sep, texts))

    return record


def lines_by_file(cov: coverage.Coverage) -> dict[str, list[int]]:
    """Return the lines that were executed, by file."""
    data = cov.get_data()
    return {path: sorted(data.lines(path) or []) for path in data.measured_files()}


def with_outputs(file: Path, source: str, run: Run) -> str:
    """Return the source with each `#>` as the run printed it."""
    example = CodeExample.create(source, path=file)
    insert = InsertPrintStatements(file, PRINTS, True, None, None)
    assert insert.print_func is not None
    insert.print_func.statements = [
        PrintStatement(line, sep, [Arg(text) for text in texts])
        for line, sep, texts in run.prints
    ]
    updated = insert.updated_print_statements(example)
    return source if updated is None else updated


def run_shell(file: Path, limit: float, folder: Path) -> Run:
    """Run a script in a folder, and return what it did; `limit` is in seconds."""
    started = time.perf_counter()
    run = Run()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with subprocess.Popen(
        ["sh", "-eu", file.name],
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            run.output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            run.error = f"it did not end within {limit:g} s"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
            if run.error is None:
                run.left.append("a running process")
    if run.error is None and process.returncode:
        run.error = f"it ended with exit status {process.returncode}: {run.output}"
    run.seconds = time.perf_counter() - started
    return run
