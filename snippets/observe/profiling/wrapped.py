# region imports, and the app
import asyncio
import logging
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from pyinstrument import Profiler

app = FastAPI()
log = logging.getLogger(__name__)
# endregion


@app.middleware("http")
async def profiled(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    with Profiler(async_mode="enabled") as profile:
        response = await call_next(request)
    log.warning("%s", profile.output_text())
    return response


async def charge() -> None:
    await asyncio.sleep(0.2)  # stands for a call of the bank


@app.post("/orders")
async def order() -> str:
    await charge()
    return "ordered"
