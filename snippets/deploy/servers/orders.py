from fastapi import FastAPI

app = FastAPI()


@app.get("/orders")
async def read_orders() -> list[int]:
    """Return the numbers of the orders."""
    return [1, 2]
