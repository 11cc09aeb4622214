# region imports
from hypothesis import given, settings
from hypothesis.strategies import integers


# endregion
def show(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def read(price: str) -> int:
    euros, _, cents = price.partition(".")
    if not (euros.isdecimal() and cents.isdecimal() and len(cents) == 2):
        raise ValueError(price)
    return int(euros) * 100 + int(cents)


@settings(deadline=None)  # the clock says nothing of an input
@given(integers(min_value=0))
def test_a_price_is_read_back(cents: int) -> None:
    assert read(show(cents)) == cents  # noqa: S101  it is a test
