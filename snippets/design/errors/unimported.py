from fastapi import FastAPI, Request, Response

app = FastAPI()
ORDERS = {7: "paid"}


class OrderNotFoundError(Exception):
    """There is no order with this number."""


@app.exception_handler(OrderNotFoundError)
async def answer(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "Order not found"}, 404)


@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    if number not in ORDERS:
        raise OrderNotFoundError
    return ORDERS[number]
