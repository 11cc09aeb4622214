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
def test_a_user_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    valid = {"valid": "Ann"}
    monkeypatch.setitem(app.dependency_overrides, get_tokens, lambda: valid)
    with TestClient(app) as client:
        sent = [{"token": token} for token in ("valid", "")]
        answers = [client.get("/me", headers=headers) for headers in sent]
    found = [answer.status_code for answer in answers]
    assert found == [200, 401]  # noqa: S101  it is a test
