from fastapi import FastAPI

app = FastAPI()
ORDERS = {7: "paid"}


@app.get("/orders/{number}")
async def read_order(number: int) -> str | None:
    order = None
    try:
        order = ORDERS[number]
    except Exception:
        pass
    return order
