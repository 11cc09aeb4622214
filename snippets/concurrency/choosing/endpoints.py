import asyncio
import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/rate")
async def rate() -> None:
    await asyncio.sleep(1)  # stands for a call that you can await


@app.get("/report")
def report() -> None:
    time.sleep(1)  # stands for a call that blocks: it has no await
