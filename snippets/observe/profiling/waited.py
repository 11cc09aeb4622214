# region imports, and the app
import asyncio
import logging
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI
from pyinstrument import Profiler

app = FastAPI()
log = logging.getLogger(__name__)
# endregion


async def profiled() -> AsyncIterator[None]:
    profile = Profiler(async_mode="enabled")
    try:
        with profile:
            yield
    finally:
        log.warning("%s", profile.output_text())


async def charge() -> None:
    await asyncio.sleep(0.2)  # stands for a call of the bank


@app.post("/orders", dependencies=[Depends(profiled)])
async def order() -> str:
    await charge()
    return "ordered"
