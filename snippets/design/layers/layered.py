# region imports, the app and a list that stands for the table of orders
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()
ORDERS: list[int] = []


# endregion
class NoItemsError(Exception):
    """An order was placed without items."""


def place_order(items: int) -> None:
    if items < 1:
        raise NoItemsError
    ORDERS.append(items)


@app.exception_handler(NoItemsError)
async def answer(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "An order has items"}, 409)


@app.post("/orders/{items}", status_code=201)
async def create_order(items: int) -> None:
    place_order(items)


def import_orders(lines: list[int]) -> None:
    for items in lines:
        place_order(items)
