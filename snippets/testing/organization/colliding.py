# region imports
from pathlib import Path

import pytest


# endregion
@pytest.fixture(params=["book", "pen"])
def item(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def report(item: str) -> Path:
    file = Path("report.csv")
    file.write_text(f"{item},1\n")
    return file


def test_a_report_names_its_item(report: Path, item: str) -> None:
    assert report.read_text() == f"{item},1\n"  # noqa: S101  it is a test
