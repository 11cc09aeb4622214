"""One endpoint that does the same query, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException

from accounts.api.schemas import UserRead
from accounts.config import Settings
from accounts.database import create_engine, create_sessions
from accounts.models import User


def create_app() -> FastAPI:
    """Return the app."""
    engine = create_engine(Settings())
    sessions = create_sessions(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/healthz")
    async def healthz() -> None:
        """Answer."""

    @app.get("/users/{user_id}")
    async def read_user(user_id: int) -> UserRead:
        async with sessions() as session:
            user = await session.get(User, user_id)
        if user is None:
            raise HTTPException(404)
        return UserRead.model_validate(user)

    return app
