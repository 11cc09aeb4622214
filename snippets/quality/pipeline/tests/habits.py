# region imports
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

# endregion


def test_file() -> None:
    assert Path("rates.json").read_text() == '{"vat": 25}\n'


def test_variable() -> None:
    assert os.environ["VAT"] == "25"


def test_zone() -> None:
    assert time.localtime(0).tm_hour == 1


def test_encoding() -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "customer.txt").write_text("Zoë")


def test_umask() -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "invoice.pdf").touch()
        mode = Path(folder, "invoice.pdf").stat().st_mode
    assert f"{mode & 0o777:o}" == "644"
