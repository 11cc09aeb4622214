"""The commands of the Makefile, in a copy of the project that stands alone."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from alembic.config import Config

from alembic import command
from dev.folders import MEMORY, OWNERS
from dev.keeper import Program, kept
from dev.ports import free_port
from dev.processes import ROOT
from tests.fixtures.sample_data import ANN
from tests.survival.conftest import NO_TLS, query, wait_until

PASSED = ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS"]
LEFT_OUT = shutil.ignore_patterns(".*", "htmlcov", "*.egg-info")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project, copied elsewhere."""
    return shutil.copytree(ROOT, tmp_path / "copy", ignore=LEFT_OUT)


@contextmanager
def make(copy: Path, log: Path, *told: str, **environment: str) -> Iterator[Program]:
    """Run make in the copy, with this environment's packages and the copy's code.

    A make that runs these tests would else pass on its options, and be quoted.
    """
    command = ["make", *told, f"BIN={Path(sys.executable).parent}", "READY="]
    paths = {"PYTHONPATH": f"{copy}/src:{copy}"}
    outside = {name: value for name, value in os.environ.items() if name not in PASSED}
    with (
        log.open("wb") as output,
        kept(
            command,
            folder=copy,
            keep_folder=True,
            environment={**outside, **paths, **environment},
            log=output,
        ) as program,
    ):
        yield program


def ports_of(processes: list[psutil.Process]) -> set[int]:
    """Return the ports on which processes listen."""
    found = [one for process in processes for one in process.net_connections("inet")]
    return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port."""
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def left_by(started: list[psutil.Process], ports: set[int]) -> list[object]:
    """Return what processes left: themselves after a while, ports, and folders."""
    _, running = psutil.wait_procs(started, 15)
    makers = "|".join(str(process.pid) for process in started)
    name = re.compile(rf"(?:{'|'.join(OWNERS)})-[a-z]+-({makers})-")
    found = [*MEMORY.iterdir(), *Path(tempfile.gettempdir()).iterdir()]
    folders = [folder for folder in found if name.match(folder.name)]
    return [*running, *filter(answers, ports), *folders]


# --8<-- [start:run]
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_starts_the_whole_service_and_ends_it(
    copy: Path, number: signal.Signals, database_url: str, redis_url: str
) -> None:
    port, log = free_port(), copy / "log"
    url = f"http://127.0.0.1:{port}"
    told = {"PORT": str(port)}
    if number == signal.SIGTERM:
        told |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        told["WEB_CONCURRENCY"] = "1"
    with make(copy, log, "run", **told) as run:
        wait_until(lambda: "Ctrl-C ends it." in log.read_text(), log.read_text, 60)
        documentation = f"its documentation on {url}/docs\n"
        assert f"The service is on {url}, and {documentation}" in log.read_text()
        started = psutil.Process(run.pid).children(recursive=True)
        ports = ports_of(started)
        assert port in ports
        names = {process.name() for process in started}
        assert ("postgres" in names) == (number == signal.SIGINT)
        created = httpx2.post(f"{url}/users", json=ANN, verify=NO_TLS, timeout=60)
        assert created.status_code == 201
        mail = f"Mail to {ANN['email']}: Welcome"
        wait_until(lambda: mail in log.read_text(), log.read_text, 60)
        started[0].send_signal(number)
        assert run.wait(60) == 0
        assert log.read_text().splitlines()[-1] == "Ended."
        assert left_by(started, ports) == []


# --8<-- [end:run]


# --8<-- [start:own]
@pytest.mark.parametrize(("revision", "lacks"), [("0004", "0005"), ("base", "0001")])
def test_run_leaves_the_schema_of_your_own_database(
    copy: Path, database_url: str, revision: str, lacks: str
) -> None:
    config = Config(ROOT / "alembic.ini", attributes={"url": database_url})
    command.downgrade(config, revision)
    columns = """SELECT string_agg(table_name || '.' || column_name, ' ' ORDER BY 1)
        FROM information_schema.columns WHERE table_schema = 'public'"""
    before, log = asyncio.run(query(database_url, columns)), copy / "log"
    with make(copy, log, "run", DATABASE_URL=database_url) as run:
        assert run.wait(60) != 0
    told = log.read_text()
    assert "Your database was left as it is" in told
    assert f"\n  {lacks} " in told
    assert "0005 Contract: drop name" in told
    assert asyncio.run(query(database_url, columns)) == before


def test_run_knows_no_newer_database(copy: Path, database_url: str) -> None:
    asyncio.run(query(database_url, "UPDATE alembic_version SET version_num = '9999'"))
    log = copy / "log"
    with make(copy, log, "run", DATABASE_URL=database_url) as run:
        assert run.wait(60) != 0
    assert "doesn't know the revision 9999" in log.read_text()


# --8<-- [end:own]
