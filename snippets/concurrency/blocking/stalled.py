import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/report")
async def report() -> str:
    """Call a library that blocks in the thread of the event loop."""
    time.sleep(0.15)
    return "report"


@app.get("/ping")
async def ping() -> str:
    """Answer at once, if the event loop is free."""
    return "pong"
