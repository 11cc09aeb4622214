# region imports
import calendar
from datetime import date

import pytest


# endregion
def due_on(created: date) -> date:
    years, month = divmod(created.month, 12)
    year = created.year + years
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(created.day, last))


@pytest.mark.parametrize(
    ("created", "due"),
    [
        (date(2027, 1, 31), date(2027, 2, 28)),
        (date(2027, 12, 15), date(2028, 1, 15)),
        (date(2028, 1, 30), date(2028, 2, 29)),
    ],
)
def test_an_invoice_is_due_in_a_month(created: date, due: date) -> None:
    assert due_on(created) == due  # noqa: S101  it is a test
