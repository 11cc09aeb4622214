from fastapi import FastAPI, HTTPException

app = FastAPI()
ORDERS: list[int] = []  # stands for the table of orders


def place_order(items: int) -> None:
    if items < 1:
        raise ValueError(items)
    ORDERS.append(items)


@app.post("/orders/{items}", status_code=201)
async def create_order(items: int) -> None:
    try:
        place_order(items)
    except ValueError as error:
        raise HTTPException(409, "An order has items") from error


def import_orders(lines: list[int]) -> None:
    for items in lines:
        place_order(items)
