# region imports, the app and a list that stands for the table of orders
from fastapi import FastAPI, HTTPException

app = FastAPI()
ORDERS: list[int] = []


# endregion
@app.post("/orders/{items}", status_code=201)
async def create_order(items: int) -> None:
    if items < 1:
        raise HTTPException(409, "An order has items")
    ORDERS.append(items)


def import_orders(lines: list[int]) -> None:
    ORDERS.extend(lines)
