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


def test_a_line_comes_before_the_last_is_made() -> None:
    with (
        TestClient(app) as client,
        client.stream("GET", "/invoices") as answer,
    ):
        first = next(answer.iter_lines())
        made = list(MADE)
    assert first == "invoice 1"  # noqa: S101  it is a test
    assert 3 not in made  # noqa: S101  it is a test
