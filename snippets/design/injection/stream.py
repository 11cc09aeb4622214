from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()
OPEN: set[str] = set()


async def get_connection() -> AsyncIterator[str]:
    OPEN.add("connection")
    try:
        yield "connection"
    finally:
        OPEN.remove("connection")


Connection = Annotated[str, Depends(get_connection)]


@app.get("/export")
async def export(connection: Connection) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            told = "read" if connection in OPEN else "lost"
            yield f"order {number}: {told}\n"

    return StreamingResponse(lines(), media_type="text/plain")
