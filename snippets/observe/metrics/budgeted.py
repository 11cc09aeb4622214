from collections.abc import Iterable

from prometheus_client import Histogram

BUDGET = {0.5: 1.5, 0.99: 9.0}  # seconds, by the share of the requests
EDGES = [0.1, 0.5, 1.5, 3.0, 9.0, 30.0]


# region how requests are counted
def counted(durations: Iterable[float]) -> dict[str, float]:
    """Return how many requests each edge of a histogram holds."""
    histogram = Histogram(
        "request_seconds", "Seconds.", buckets=EDGES, registry=None
    )
    for seconds in durations:
        histogram.observe(seconds)
    return {
        sample.labels["le"]: sample.value
        for sample in next(iter(histogram.collect())).samples
        if sample.name == "request_seconds_bucket"
    }


# endregion
def broken(durations: Iterable[float]) -> list[float]:
    """Return the limits of the budget that too few requests kept."""
    counts = counted(durations)
    return [
        limit
        for share, limit in BUDGET.items()
        if counts[str(limit)] < share * counts["+Inf"]
    ]


for seconds in (1.2, 2.4, 9.5):
    print(f"{seconds} s for all breaks", broken([seconds] * 100))
    #> 1.2 s for all breaks []
    #> 2.4 s for all breaks [1.5]
    #> 9.5 s for all breaks [1.5, 9.0]
