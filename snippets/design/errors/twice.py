from fastapi import FastAPI

app = FastAPI()
ORDERS = {7: "paid"}


@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    return ORDERS[number]


@app.get("/orders/{order_id}")
async def read_order_with_tax(order_id: int) -> str:
    return f"{ORDERS[order_id]}, with tax"
