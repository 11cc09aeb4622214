# region imports
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

# endregion
app = FastAPI()
MADE: list[int] = []


async def lines() -> AsyncIterator[str]:
    for number in (1, 2, 3):
        MADE.append(number)
        yield f"invoice {number}\n"


@app.get("/invoices")
async def export() -> StreamingResponse:
    return StreamingResponse(lines(), media_type="text/plain")


def test_all_lines_come() -> None:
    with TestClient(app) as client:
        answer = client.get("/invoices")
    found = answer.text.splitlines()
    assert found == [f"invoice {n}" for n in MADE]  # noqa: S101  it is a test
