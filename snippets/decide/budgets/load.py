import math
import tomllib
from pathlib import Path

from locust import HttpUser, constant_throughput, events, task
from locust.env import Environment

MEMORY: list[float] = []


class Customer(HttpUser):
    wait_time = constant_throughput(4)  # a second, if the answers come in time

    @task
    def orders(self) -> None:
        """Ask for the orders."""
        self.client.get("/orders")


class Operator(HttpUser):
    fixed_count = 1
    wait_time = constant_throughput(2)

    @task
    def memory(self) -> None:
        """Ask the process for its memory."""
        MEMORY.append(self.client.get("/memory").json())


def judge(environment: Environment, **_: object) -> None:
    """End with status 1, and say why, if the run breaks the budget."""
    file = Path(vars(environment.parsed_options)["config"])
    budget = tomllib.loads(file.read_text())["budget"]
    orders = environment.stats.get("/orders", "GET")
    measured = {
        "failures": orders.num_failures,
        "average": orders.avg_response_time,
        "memory": max(MEMORY, default=math.inf),
    }
    for name, limit in budget["at_most"].items():
        if name.endswith("%"):
            share = float(name.rstrip("%")) / 100
            measured[name] = orders.get_response_time_percentile(share)
        if measured[name] > limit:
            print(f"broken: {name} is more than {limit}")
            environment.process_exit_code = 1
    if orders.num_requests < budget["requests"]:
        print(f"broken: fewer than {budget['requests']} requests")
        environment.process_exit_code = 1


events.quitting.add_listener(judge)  # type: ignore[no-untyped-call]  # untyped
