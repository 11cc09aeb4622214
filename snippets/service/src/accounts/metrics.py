"""How much each process did and how long it took."""

import os
import resource
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
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
    weigh("server")


# --8<-- [end:metrics]


# --8<-- [start:background]
RELAYED = Counter(
    "relay_messages_total", "Messages that the broker took, by which time.", ["time"]
)
SETTLED = Counter(
    "worker_tries_total",
    "Messages that a worker tried, by what came of it.",
    ["outcome"],
)
TRYING = Histogram(
    "worker_try_seconds", "Seconds from the claim of a message to its end."
)
FORGOTTEN = Counter(
    "users_forgotten_total", "Users that never confirmed their address."
)
TURNS = Counter("turns_total", "Looks for work, by whether they found it.", ["outcome"])
# --8<-- [end:background]


# --8<-- [start:memory]
MEMORY = Gauge(
    "process_peak_memory_bytes",
    "The most memory that one process of this kind held so far.",
    ["kind"],
    multiprocess_mode="livemax",
)


def weigh(kind: str) -> None:
    """Note how much memory this process held at most; Linux tells it in KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    MEMORY.labels(kind).set(peak)


# --8<-- [end:memory]


class Backlog(NamedTuple):
    """What waits in the outbox."""

    messages: int
    """Those that no worker has settled."""
    seconds: float
    """The age of the oldest one."""
    aside: int
    """Those that were set aside for people."""

    def collect(self) -> Iterator[Metric]:
        """Give what is true for all processes, whichever of them was asked."""
        yield GaugeMetricFamily(
            "outbox_messages", "Messages that no worker has settled.", self.messages
        )
        yield GaugeMetricFamily(
            "outbox_oldest_seconds", "The age of the oldest of them.", self.seconds
        )
        yield GaugeMetricFamily(
            "outbox_set_aside", "Messages that wait for people.", self.aside
        )


# --8<-- [start:exposition]
def exposition(backlog: Backlog | None) -> tuple[bytes, str]:
    """Return the metrics and their content type.

    Several processes share a folder, `PROMETHEUS_MULTIPROC_DIR`, and any of them
    answers for all. What waits in the outbox is left out where it is not known.
    """
    registries = [REGISTRY]
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registries = [one := CollectorRegistry()]
        MultiProcessCollector(one)  # type: ignore[no-untyped-call]  # typed in part
    if backlog:
        registries.append(CollectorRegistry())
        registries[1].register(backlog)
    return b"".join(map(generate_latest, registries)), CONTENT_TYPE_LATEST


# --8<-- [end:exposition]
