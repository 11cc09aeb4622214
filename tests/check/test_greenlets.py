"""Threads that end while coverage measures them hold nothing up, and all their lines are seen."""

import subprocess
import sys
from pathlib import Path

from tests.engine.pages import ROOT

MEASURED = """
import sys
import coverage
from tests.parts.greenlets import let_threads_end
let_threads_end()
sys.setswitchinterval(1e-6)
both = ["greenlet", "thread"]
measured = coverage.Coverage(data_file=None, concurrency=both, include=[sys.argv[1]])
measured.start()
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
measured.stop()
print(measured.analysis(sys.argv[1])[2])
"""
# Without `let_threads_end`, 5 of 5 runs hung on Python 3.11.
ENDING = """
import threading

def work():
    return sum(number for number in range(10))

for _ in range(300):
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        work()
"""
SWITCHING = """
import threading
from greenlet import getcurrent, greenlet

exec(compile("wait = lambda there, value: there.switch(value)", "another file", "exec"))

def inner():
    there = getcurrent().parent
    first = wait(there, 1)
    second = first + 1
    wait(there, second)

def twice(value):
    return 2 * value

def outer():
    child = greenlet(inner)
    found = twice(child.switch())
    found = twice(child.switch(found))
    return found

for _ in range(2):
    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()
"""


def missed(file: Path, code: str) -> str:
    """Run code under coverage in a process of its own; return the lines that coverage missed."""
    file.write_text(code)
    command = [sys.executable, "-c", MEASURED, str(file)]
    return subprocess.check_output(command, cwd=ROOT, text=True).strip()


def test_threads_end_while_others_run(tmp_path: Path) -> None:
    assert missed(tmp_path / "ending.py", ENDING) == "[]"


def test_the_lines_after_a_switch_are_seen(tmp_path: Path) -> None:
    assert missed(tmp_path / "switching.py", SWITCHING) == "[]"
