import math
import tomllib
from pathlib import Path
from typing import Any

from locust import HttpUser, constant_throughput, events, stats, task
from locust.env import Environment
from locust.stats import StatsEntry


class Customer(HttpUser):
    wait_time = constant_throughput(4)  # a second, if the answers come in time

    @task
    def orders(self) -> None:
        self.client.get("/orders", timeout=10)  # below stop-timeout


# region who asks for the memory, what is measured, and what was written


def bucket(response_time: float) -> int:
    """Keep whole milliseconds, of which Locust keeps two digits."""
    return math.ceil(response_time)


stats.bucket_response_time = bucket
MEMORY: list[float] = []


class Operator(HttpUser):
    fixed_count = 1
    wait_time = constant_throughput(2)

    @task
    def memory(self) -> None:
        """Ask the process for its memory."""
        MEMORY.append(self.client.get("/memory").json())


def measured(name: str, orders: StatsEntry) -> float:
    """Return a figure of the run, in the unit of its limit."""
    if name.endswith("%"):
        share = float(name.rstrip("%")) / 100
        return orders.get_response_time_percentile(share)
    figures = {
        "failures": orders.num_failures,
        "average": orders.avg_response_time,
        "memory": max(MEMORY, default=math.inf),
    }
    return figures[name]


def written(environment: Environment) -> dict[str, Any]:
    """Return the budget, which stands in the file of the options."""
    file = Path(vars(environment.parsed_options)["config"])
    budget: dict[str, Any] = tomllib.loads(file.read_text())["budget"]
    return budget


# endregion
def judge(environment: Environment, **_: object) -> None:
    """End with status 1, and say why, if the run breaks the budget."""
    budget = written(environment)
    orders = environment.stats.get("/orders", "GET")
    for name, limit in budget["at_most"].items():
        if measured(name, orders) > limit:
            print(f"broken: {name} is more than {limit}")
            environment.process_exit_code = 1
    if orders.num_requests < budget["requests"]:
        print(f"broken: fewer than {budget['requests']} requests")
        environment.process_exit_code = 1


events.quitting.add_listener(judge)  # type: ignore[no-untyped-call]  # untyped
