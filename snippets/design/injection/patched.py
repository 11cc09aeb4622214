from typing import Annotated
from unittest.mock import patch

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
    with patch(f"{__name__}.get_rate", lambda: 1.5):
        answer = TestClient(app).get("/invoices/10")
        assert answer.json() == 15  # noqa: S101  it is a test
