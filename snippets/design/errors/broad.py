from fastapi import FastAPI, HTTPException

app = FastAPI()
ORDERS = {7: "paid"}


@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    try:
        return ORDERS[number]
    except Exception as error:
        raise HTTPException(404, "Order not found") from error
