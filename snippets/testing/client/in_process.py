# region imports
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Response
from httpx2 import ASGITransport, AsyncClient

# endregion
app = FastAPI()


@app.get("/invoices/7")
async def invoice() -> Response:
    text = "Müller: 10 €"
    body = text.encode()
    return Response(body, headers={"Content-Length": str(len(body))})


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    asgi = ASGITransport(app)
    async with AsyncClient(transport=asgi, base_url="http://test") as client:
        yield client


# region the test
async def test_an_invoice_is_read(client: AsyncClient) -> None:
    answer = await client.get("/invoices/7")
    assert answer.text == "Müller: 10 €"  # noqa: S101  it is a test


# endregion
