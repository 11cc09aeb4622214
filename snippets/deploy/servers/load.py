import asyncio

from fastapi import FastAPI

app = FastAPI()


@app.get("/calculate")
async def calculate() -> int:
    return sum(range(4_000_000))


@app.get("/wait")
async def wait() -> None:
    await asyncio.sleep(0.2)  # stands for a query
