"""How many requests there were and how long they took, over all processes."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

# --8<-- [start:metrics]
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUESTS = Counter(
    "http_requests_total",
    "Requests, by method, route and status.",
    ["method", "route", "status"],
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Seconds from a request's arrival to the end of its response.",
    ["method", "route"],
)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request. What a client can invent never becomes a label of its own."""
    method = method if method in METHODS else "OTHER"
    REQUESTS.labels(method, route, str(status)).inc()
    DURATION.labels(method, route).observe(seconds)


# --8<-- [end:metrics]


# --8<-- [start:exposition]
def exposition() -> tuple[bytes, str]:
    """Return the metrics and their content type.

    Several processes share a folder, `PROMETHEUS_MULTIPROC_DIR`, and any of them
    answers for all.
    """
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it is typed in part
    return generate_latest(registry), CONTENT_TYPE_LATEST


# --8<-- [end:exposition]
