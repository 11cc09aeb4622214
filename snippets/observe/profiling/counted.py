# region
import cProfile
import json
import pstats
from collections.abc import Callable

RATES = json.dumps({"EUR": 100, "USD": 92})
# endregion


def read_rates() -> dict[str, int]:
    rates: dict[str, int] = json.loads(RATES)
    return rates


def total(orders: list[tuple[int, str]]) -> int:
    rates = read_rates()
    return sum(price * rates[currency] // 100 for price, currency in orders)


def calls(name: str, work: Callable[[], object]) -> int:
    with cProfile.Profile() as profile:
        work()
    told = pstats.Stats(profile).get_stats_profile().func_profiles
    return int(told[name].ncalls) if name in told else 0


def test_the_rates_are_read_once() -> None:
    orders = [(250, "USD")] * 1000
    read = calls("read_rates", lambda: total(orders))
    assert read == 1  # noqa: S101  it is a test
