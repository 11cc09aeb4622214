from collections.abc import Iterable

from prometheus_client import Histogram

BUDGET = {0.5: 1.5, 0.99: 9.0}  # seconds, by the share of the requests


# region how requests are counted
def counted(durations: Iterable[float]) -> dict[float, float]:
    """Return how many requests each edge of a histogram holds."""
    histogram = Histogram("request_seconds", "Seconds.", registry=None)
    for seconds in durations:
        histogram.observe(seconds)
    return {
        float(sample.labels["le"]): sample.value
        for sample in next(iter(histogram.collect())).samples
        if sample.name == "request_seconds_bucket"
    }


# endregion
def quantile(share: float, counts: dict[float, float]) -> float:
    """Guess within a bucket, as `histogram_quantile` does."""
    rank, edges = share * max(counts.values()), [(0.0, 0.0), *counts.items()]
    index = next(i for i, (_, count) in enumerate(edges) if count >= rank)
    (low, below), (high, count) = edges[index - 1], edges[index]
    return low + (high - low) * (rank - below) / (count - below)


def broken(durations: Iterable[float]) -> list[float]:
    """Return the limits of the budget that the guess is beyond."""
    counts = counted(durations)
    return [
        limit
        for share, limit in BUDGET.items()
        if quantile(share, counts) > limit
    ]


for seconds in (1.2, 2.4, 9.5):
    print(f"{seconds} s for all breaks", broken([seconds] * 100))
    #> 1.2 s for all breaks [1.5]
    #> 2.4 s for all breaks [1.5]
    #> 9.5 s for all breaks [1.5, 9.0]
