"""What is left to pay of an invoice, and its test."""


def due(cents: int, paid: int) -> int:
    """Return what is left to pay."""
    return max(cents - paid, 0)


def test_due() -> None:
    """Some of it is paid."""
    assert due(300, 100) == 200


test_due()
