"""The reference service where it stands alone; its gates take a minute, so they run beside."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.engine.pages import ROOT

SERVICE = ROOT / "snippets/service"
BIN = ROOT / ".venv/service/bin"
GATES = "test_it_passes_the_gates_of_the_largest_change"


class Make:
    """A command of the Makefile, at work on a copy's code with the packages installed here."""

    def __init__(self, copy: Path, *arguments: str, nice: int = 0, **environment: str) -> None:
        outside = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        here = {"PYTHONPATH": f"{copy}/src:{copy}", "COVERAGE_FILE": f"{copy}/.coverage"}
        command = ["nice", "-n", str(nice), "make", "--no-print-directory", *arguments]
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115  until it is read
        self.process = subprocess.Popen(
            [*command, f"BIN={BIN}", "READY="],
            cwd=copy,
            env=outside | here | environment,
            stdout=self.output,
            stderr=self.output,
        )

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it wrote."""
        status = self.process.wait()
        with self.output:
            self.output.seek(0)
            return status, self.output.read()

    def stop(self) -> None:
        """Let it clean up, when nobody waits for it any more."""
        self.process.terminate()
        self.process.wait()


def copy_to(folder: Path) -> Path:
    """Copy what git tracks of the service, and nothing else, into a new folder; return it."""
    command = ["git", "ls-files", "-z"]
    told = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
    for name in filter(None, told.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SERVICE / name, folder / name)
    return folder


STARTED = pytest.StashKey[tuple[Path, Make]]()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Wait for the gates when all else is done."""
    yield
    items.sort(key=lambda item: item.name == GATES)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the gates, if they are to be waited for."""
    config = session.config
    if config.option.collectonly or not any(item.name == GATES for item in session.items):
        return
    base = Path(tempfile.mkdtemp(prefix="service-"))
    config.add_cleanup(lambda: shutil.rmtree(base))  # last in, first out
    report, copy = base / "report.xml", copy_to(base / "accounts")
    gates = Make(copy, "l", nice=5, PYTEST_ADDOPTS=f"--junit-xml={report} --durations=10")
    config.add_cleanup(gates.stop)
    config.stash[STARTED] = report, gates


@pytest.fixture
def gates(pytestconfig: pytest.Config) -> tuple[Path, Make]:
    """The gates of the largest change, and the report of the tests among them."""
    return pytestconfig.stash[STARTED]
