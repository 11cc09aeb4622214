from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI

app = FastAPI()
STORE: dict[str, list[int]] = {"orders": []}


async def get_orders() -> AsyncIterator[list[int]]:
    """Give a list, and store what the endpoint adds to it."""
    orders: list[int] = []
    yield orders
    STORE["orders"] += orders  # stands for a commit, which can fail


Orders = Annotated[list[int], Depends(get_orders, scope="function")]


@app.post("/orders/{number}", status_code=201)
async def create_order(number: int, orders: Orders) -> str:
    orders.append(number)
    return f"order {number} is stored"
