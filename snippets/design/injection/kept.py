from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException

app = FastAPI()
POOL = ["first connection", "second connection"]


async def get_connection() -> AsyncIterator[str]:
    connection = POOL.pop()
    yield connection
    POOL.append(connection)


@app.get("/orders/{number}")
async def read_order(
    number: int, connection: Annotated[str, Depends(get_connection)]
) -> str:
    if number != 7:
        raise HTTPException(404)
    return f"order {number}, read over the {connection}"
