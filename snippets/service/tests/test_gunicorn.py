"""How gunicorn is configured: its file, read as gunicorn does."""

import os
import runpy
import tempfile
from pathlib import Path
from types import SimpleNamespace

import gunicorn.config
import pytest
import uvicorn

from dev.processes import ROOT
from tests.test_startup import GOOD

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def read() -> dict[str, object]:
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


def test_a_request_is_cancelled_before_its_process_is_killed() -> None:
    config, server = gunicorn.config.Config(), uvicorn.Config("app")
    for name in ("graceful_timeout", "post_worker_init"):
        config.set(name, read()[name])
    config.post_worker_init(SimpleNamespace(cfg=config, config=server))
    assert server.timeout_graceful_shutdown == config.graceful_timeout - 1 == 20
