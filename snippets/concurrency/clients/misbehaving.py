import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

# region the app, and an endpoint that behaves
app = FastAPI()


@app.get("/whoami")
async def whoami(request: Request) -> dict[str, str]:
    """Answer with the client's address: each connection has its own."""
    host, port = request.client or ("", 0)
    return {"name": f"{host}:{port}"}


# endregion


@app.get("/error")
async def error() -> None:
    """Fail, with a body that is JSON too."""
    raise HTTPException(503, "down for maintenance")


@app.get("/hang")
async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def spaces() -> AsyncIterator[str]:
    """Yield a space now and then, for ever."""
    while True:
        yield " "
        await asyncio.sleep(0.02)


@app.get("/trickle")
async def trickle() -> StreamingResponse:
    """Answer at once, and never come to the end."""
    return StreamingResponse(spaces(), media_type="application/json")
