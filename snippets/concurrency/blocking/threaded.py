import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/report")
def report() -> str:
    """Call a library that blocks; FastAPI runs this function in a thread."""
    time.sleep(0.15)
    return "report"


@app.get("/ping")
async def ping() -> str:
    """Answer at once, if the event loop is free."""
    return "pong"
