from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

app = FastAPI()


async def get_rate() -> float:
    raise ConnectionError("bank.example.org")  # stands for a real call


@app.get("/invoices/{amount}")
async def convert(
    amount: int, rate: Annotated[float, Depends(get_rate)]
) -> float:
    return amount * rate


def test_an_invoice_is_converted() -> None:
    app.dependency_overrides[get_rate] = lambda: 1.5
    try:
        answer = TestClient(app).get("/invoices/10")
        assert answer.json() == 15  # noqa: S101  it is a test
    finally:
        app.dependency_overrides.clear()
