# region imports, the app, the client of its tests, and one of them
from collections.abc import Iterator
from typing import NoReturn

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_an_order_is_unknown(client: TestClient) -> None:
    answer = client.get("/orders/7")
    assert answer.status_code == 404  # noqa: S101  it is a test


# endregion
def unable(_: FastAPI) -> NoReturn:
    raise ConnectionError("bank.example.org")


def test_the_client_starts_the_app(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.router, "lifespan_context", unable)
    with pytest.raises(ConnectionError):
        request.getfixturevalue("client")
