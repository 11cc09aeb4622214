"""How gunicorn is configured: its file, read as gunicorn does."""

import os
import resource
import runpy
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gunicorn.config
import pytest
import uvicorn
from pydantic import SecretStr

from accounts.config import ServerSettings
from accounts.connections import Connection
from dev.processes import ROOT
from tests.conftest import TOKEN_KEY
from tests.test_startup import GOOD

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def read() -> dict[str, Any]:
    """Return what the file sets."""
    return runpy.run_path(f"{ROOT}/gunicorn.conf.py")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of temporary files, and a process that shares no metrics."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(FOLDER, "")
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_a_reload_goes_on_counting(folder: Path) -> None:
    read()
    read()
    (metrics,) = folder.iterdir()
    assert os.environ[FOLDER] == str(metrics)


def test_another_process_counts_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read()
    monkeypatch.setattr(os, "getpid", lambda: 7)
    read()
    assert len(list(folder.iterdir())) == 2


def test_its_folder_ends_with_it(folder: Path) -> None:
    told = read()
    gauge = Path(os.environ[FOLDER], "gauge_livesum_7.db")
    gauge.touch()
    told["child_exit"](None, SimpleNamespace(pid=7))
    assert not gauge.exists()
    told["on_exit"](None)
    assert list(folder.iterdir()) == []


def started(*names: str) -> tuple[gunicorn.config.Config, uvicorn.Config]:
    """Return the configurations after a worker's start, with these settings."""
    config, server = gunicorn.config.Config(), uvicorn.Config("app")
    told = read()
    for name in (*names, "post_worker_init"):
        config.set(name, told[name])
    settings = ServerSettings(
        database_url=SecretStr("postgresql://host/name"),
        redis_url=SecretStr("redis://host"),
        token_key=SecretStr(TOKEN_KEY),
    )
    app = SimpleNamespace(state=SimpleNamespace(settings=settings))
    worker = SimpleNamespace(cfg=config, config=server, wsgi=app)
    config.post_worker_init(worker)
    return config, server


def test_a_request_is_cancelled_before_its_process_is_killed() -> None:
    config, server = started("graceful_timeout")
    assert server.timeout_graceful_shutdown == config.graceful_timeout - 1 == 20


@pytest.mark.parametrize("hard", [1024, 4096, 10**6, resource.RLIM_INFINITY])
def test_connections_leave_files_for_all_else(
    hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(1024, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    config, server = started("backlog")
    files, still = limits[-1]
    assert still == hard
    assert files == {1024: 1024, 4096: 4096}.get(hard, 65_536)
    assert isinstance(server.http, type)
    assert issubclass(server.http, Connection)
    assert 384 <= server.http.most == files - 4 * config.backlog - 128
