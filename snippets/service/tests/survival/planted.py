"""The service with endpoints that fail while they hold a secret, each in its way."""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from accounts import main
from accounts.api.dependencies import Session


class Number(BaseModel):
    """What no secret is."""

    number: int


def create_app() -> FastAPI:
    """Return the app with the endpoints."""
    app, secret = main.create_app(), os.environ["PLANTED"]

    @app.get("/planted")
    async def planted() -> None:
        raise RuntimeError(f"a surprise with {len(secret)} characters")

    @app.get("/planted/parser")
    async def parser() -> None:
        int(secret)

    @app.get("/planted/model")
    async def model() -> None:
        Number.model_validate({"number": secret})

    @app.get("/planted/cause")
    async def cause() -> None:
        try:
            int(secret)
        except ValueError as error:
            raise RuntimeError("with a cause") from error

    @app.get("/planted/group")
    async def group() -> None:
        raise ExceptionGroup("some", [ValueError(secret), OSError(secret)])

    @app.get("/planted/query")
    async def query(session: Session) -> None:
        await session.execute(text("SELECT CAST(:told AS text)::int"), {"told": secret})

    @app.get("/planted/argument")
    async def argument(session: Session) -> None:
        await session.execute(text("SELECT CAST(:told AS int)"), {"told": secret})

    @app.get("/planted/row")
    async def row(session: Session) -> None:
        told = {"email": secret, "name": secret}
        users = "INSERT INTO users (id, email, display_name)"
        await session.execute(text(f"{users} VALUES (1, :email, :name)"), told)

    @app.get("/planted/settings")
    async def settings() -> None:
        url = app.state.settings.database_url.get_secret_value()
        raise RuntimeError(
            f"{url} and {app.state.settings.token_key.get_secret_value()}"
        )

    return app
