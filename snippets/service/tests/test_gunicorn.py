"""How gunicorn is configured: its file, read as gunicorn does."""

import os
import runpy
import tempfile
from pathlib import Path

import pytest

from dev.processes import ROOT

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def read() -> dict[str, object]:
    """Return what the file sets."""
    return runpy.run_path(f"{ROOT}/gunicorn.conf.py")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of temporary files, and a process that shares no metrics."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(FOLDER, "")
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
