# region imports
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient


# endregion
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.rate = 1.5  # stands for a call of the bank
    yield


# region the app, with one endpoint
app = FastAPI(lifespan=lifespan)


async def get_rate(request: Request) -> float:
    rate: float = request.app.state.rate
    return rate


@app.get("/invoices/{amount}")
async def convert(
    amount: int, rate: Annotated[float, Depends(get_rate)]
) -> float:
    return amount * rate


# endregion
@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setitem(app.dependency_overrides, get_rate, lambda: 2.0)
    with TestClient(app) as client:
        yield client


def test_an_invoice_is_converted(client: TestClient) -> None:
    answer = client.get("/invoices/10")
    assert answer.json() == 20  # noqa: S101  it is a test
