# region imports
import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI

# endregion

steps: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    steps.append("the pool is open")
    yield
    steps.append("the pool is closed")


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{order_id}/payment")
async def pay(order_id: int) -> None:
    await asyncio.sleep(5)  # a bank that takes 5 seconds
    steps.append(f"order {order_id} is paid")


async def serve(port: int = 8000) -> None:
    config = uvicorn.Config(app, port=port, timeout_graceful_shutdown=3)
    await uvicorn.Server(config).serve()
