# region imports
from collections.abc import Mapping
from types import MappingProxyType

import pytest


# endregion
@pytest.fixture(scope="session")
def prices() -> Mapping[str, int]:
    return MappingProxyType({"book": 20})  # nobody can change it


@pytest.fixture
def basket() -> list[str]:
    return []


def test_a_book_is_added(basket: list[str]) -> None:
    basket.append("book")
    assert basket == ["book"]  # noqa: S101  it is a test


def test_a_basket_is_paid(basket: list[str], prices: Mapping[str, int]) -> None:
    basket.append("book")
    paid = sum(prices[item] for item in basket)
    assert paid == 20  # noqa: S101  it is a test
