# region imports, and the rates
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
    cents = 0
    for price, currency in orders:
        cents += price * read_rates()[currency] // 100
    return cents


def profiled(work: Callable[[], object]) -> pstats.Stats:
    with cProfile.Profile() as profile:
        work()
    return pstats.Stats(profile).sort_stats("cumulative")


if __name__ == "__main__":
    stats = profiled(lambda: total([(250, "USD")] * 1000))
    told = stats.get_stats_profile().func_profiles
    for name in ("total", "read_rates"):
        print(f"{name}: {told[name].ncalls}")
        #> total: 1
        #> read_rates: 1000
