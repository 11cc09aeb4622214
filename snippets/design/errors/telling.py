from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()
ORDERS = {7: "paid"}


@app.exception_handler(Exception)
async def answer(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 500)


@app.get("/orders/{number}")
async def read_order(number: int) -> str:
    return ORDERS[number]
