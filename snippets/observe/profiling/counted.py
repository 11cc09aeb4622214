# region imports, and the rates
import cProfile
import json
from collections.abc import Callable
from types import CodeType

RATES = json.dumps({"EUR": 100, "USD": 92})
# endregion


def read_rates() -> dict[str, int]:
    rates: dict[str, int] = json.loads(RATES)
    return rates


def total(orders: list[tuple[int, str]]) -> int:
    rates = read_rates()
    return sum(price * rates[currency] // 100 for price, currency in orders)


def calls(code: CodeType, work: Callable[[], object]) -> int:
    with cProfile.Profile() as profile:
        work()
    return sum(e.callcount for e in profile.getstats() if e.code == code)


def test_the_rates_are_read_once() -> None:
    orders = [(250, "USD")] * 1000
    read = calls(read_rates.__code__, lambda: total(orders))
    assert read == 1  # noqa: S101  it is a test
