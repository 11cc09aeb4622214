# region imports
import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI, Response
from httpx2 import AsyncClient

# endregion
app = FastAPI()


@app.get("/invoices/7")
async def invoice() -> Response:
    text = "Müller: 10 €"
    body = text.encode()
    return Response(body, headers={"Content-Length": str(len(body))})


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        served = asyncio.create_task(server.serve(sockets=[listening]))
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
        server.should_exit = True
        await served


# region the test
async def test_an_invoice_is_read(client: AsyncClient) -> None:
    answer = await client.get("/invoices/7")
    assert answer.text == "Müller: 10 €"  # noqa: S101  it is a test


# endregion
