"""What the orders of a day come to."""

from dataclasses import dataclass


@dataclass
class Order:
    """What a client bought, and whether it is paid."""

    cents: int
    paid: bool


def average(orders: list[Order]) -> int:
    """Return what a paid order comes to on average."""
    total = count = 0
    for order in orders:
        if order.paid:
            total += order.cents
            count += 1
    return total // count
