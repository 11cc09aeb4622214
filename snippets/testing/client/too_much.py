# region imports
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

# endregion
app = FastAPI()


async def get_tokens() -> dict[str, str]:
    raise ConnectionError("tokens.example.org")  # stands for a real call


async def get_user(
    token: Annotated[str, Header()],
    tokens: Annotated[dict[str, str], Depends(get_tokens)],
) -> str:
    if token not in tokens:
        raise HTTPException(401)
    return tokens[token]


# region an endpoint
@app.get("/me")
async def me(user: Annotated[str, Depends(get_user)]) -> str:
    return user


# endregion
def test_a_user_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.dependency_overrides, get_user, lambda: "Ann")
    with TestClient(app) as client:
        answer = client.get("/me")
    assert answer.status_code == 200  # noqa: S101  it is a test
