"""The service with an endpoint that fails while it holds a secret."""

import os

from fastapi import FastAPI

from accounts import main


def create_app() -> FastAPI:
    """Return the app with the endpoint."""
    app = main.create_app()

    @app.get("/planted")
    async def planted() -> None:
        secret = os.environ["PLANTED"]
        raise RuntimeError(f"a surprise with {len(secret)} characters")

    return app
