from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Order(BaseModel):
    quantity: int


@app.post("/orders")
def order(order: Order) -> dict[str, int]:
    """Return what an order costs, at 2 for each."""
    return {"total": 2 * order.quantity}
