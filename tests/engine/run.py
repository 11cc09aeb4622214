"""Run a snippet as a reader would: whole, as a script, in an empty folder.

It runs at its real path in a forked child, so that it starts warm, changes nothing in the session,
and can be ended when it hangs.
"""

import builtins
import contextlib
import faulthandler
import os
import pickle
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import coverage
from pytest_examples import CodeExample
from pytest_examples.config import ExamplesConfig
from pytest_examples.run_code import Arg, InsertPrintStatements, PrintStatement

from tests.engine.pages import ROOT

LAYOUT = ExamplesConfig(line_length=80, quotes="double")
COLD = {"requests", "urllib3"}  # a block with Locust imports them itself, after it changed ssl
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "site", "ledger.json")


@dataclass
class Run:
    """What a snippet did."""

    error: str | None = None
    line: int = 1
    prints: list[tuple[int, str]] = field(default_factory=list)
    executed: dict[str, set[int]] = field(default_factory=dict)
    output: str = ""
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run(file: Path, limit: float, work: Callable[[], Run]) -> Run:
    """Return what `work` does with a file, in an empty folder and within `limit` seconds."""
    with tempfile.TemporaryDirectory(prefix="playbook-") as base:
        cwd, tmp, hang, out, answer = (
            Path(base, name) for name in ("cwd", "tmp", "hang", "out", "answer")
        )
        cwd.mkdir()
        tmp.mkdir()
        hang.touch()
        started, left = time.perf_counter(), list[str]()
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                os.environ["TMPDIR"] = tempfile.tempdir = str(tmp)
                stream = out.open("wb")
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
                os.chdir(cwd)
                faulthandler.dump_traceback_later(limit, exit=True, file=hang.open("w"))
                answer.write_bytes(pickle.dumps(work()))
            finally:
                os._exit(0)
        try:
            os.waitpid(child, 0)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
                left.append("a running process")
        dump = hang.read_text()
        if answer.exists() and not dump:
            result: Run = pickle.loads(answer.read_bytes())  # noqa: S301  the child's own
        else:
            frames = re.findall(rf'File "{re.escape(str(file))}", line (\d+)', dump)
            how = f"it did not end within {limit:g} s" if dump else "it ended its process"
            result = Run(how, int([*frames, 1][0]))
        result.seconds = time.perf_counter() - started
        result.left = left + sorted(path.name for path in [*cwd.iterdir(), *tmp.iterdir()])
        result.output = out.read_text()
    return result


def script(file: Path) -> Run:
    """Run a shell script in a copy of its folder."""
    copy = shutil.copytree(file.parent, Path.cwd().parent / "copy", ignore=NOT_COPIED)
    environment = {**os.environ, "NO_COLOR": "1", "TMPDIR": str(copy.parent)}
    status = subprocess.run(["sh", "-eu", file.name], cwd=copy, env=environment).returncode
    return Run(f"it ended with exit status {status}" if status else None)


def execute(file: Path, cov: coverage.Coverage) -> Run:
    """Run a Python file in this process, which is then good for nothing else."""
    done = Run()
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115  until the process ends
    sys.dont_write_bytecode = True
    sys.addaudithook(keep_tree)
    if not file.with_suffix(".out").exists():
        builtins.print = recorder(str(file), done)
    sys.argv = [str(file)]
    for name in [name for name in sys.modules if name.partition(".")[0] in COLD]:
        del sys.modules[name]
    cov.start()
    try:
        runpy.run_path(str(file), run_name="__main__")
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    except BaseException as error:  # noqa: BLE001  whatever it raises, its page is told
        frames = traceback.extract_tb(error.__traceback__)
        numbers = [frame.lineno for frame in frames if frame.filename == str(file)]
        done.error = f"{type(error).__name__}: {getattr(error, 'msg', error)}"
        done.line = (numbers or [getattr(error, "lineno", None)])[-1] or 1
    cov.stop()
    with contextlib.suppress(Exception):  # as the interpreter would; an inherited one stays
        sys.modules["multiprocessing.resource_tracker"]._resource_tracker._stop()
    sys.stdout.flush()
    sys.stderr.flush()
    data = cov.get_data()
    done.executed = {path: set(data.lines(path) or []) for path in data.measured_files()}
    return done


def keep_tree(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse, as an audit hook, to open a file of the project for writing."""
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & os.O_ACCMODE:
        if Path(arguments[0]).resolve().is_relative_to(ROOT):
            raise PermissionError(f"a snippet writes in the project: {arguments[0]}")


def recorder(file: str, done: Run) -> Callable[..., None]:
    """Return a `print` that records what the file prints and passes on the rest."""
    stock: Callable[..., None] = print

    def record(*values: object, sep: str | None = None, **rest: object) -> None:
        frame = sys._getframe(1)
        if frame.f_code.co_filename != file or rest:
            stock(*values, sep=sep, **rest)
        else:
            text = (" " if sep is None else sep).join(Arg(value).data for value in values)
            done.prints.append((frame.f_lineno, text))

    return record


def with_prints(file: Path, source: str, done: Run) -> str:
    """Return the source of a file with each `#>` as the run printed it."""
    insert = InsertPrintStatements(file, LAYOUT, True, None, None)
    assert insert.print_func
    insert.print_func.statements = [PrintStatement(n, "", [Arg(text)]) for n, text in done.prints]
    return insert.updated_print_statements(CodeExample.create(source, path=file)) or source
