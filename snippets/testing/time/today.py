# region imports
from datetime import date


# endregion
def due_on(created: date) -> date:
    return created.replace(month=created.month + 1)


def test_an_invoice_is_due_in_a_month() -> None:
    today = date.today()
    due = due_on(today)
    assert due.month == today.month + 1  # noqa: S101  it is a test
