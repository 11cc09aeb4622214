"""The app that a server runs.

`uvicorn --factory accounts.main:create_app` is one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from accounts import __version__, cache, events, logs, middleware, startup
from accounts.allowance import Allowance
from accounts.api import errors, handlers, health, verification
from accounts.api.dependencies import Resources
from accounts.config import ServerSettings
from accounts.database import Probe, create_engine, create_sessions
from accounts.repositories.user_cache import UserCache
from accounts.shutdown import on_stop
from accounts.turns import Turns


# --8<-- [start:lifespan]
@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what all requests share, and close it after the last one."""
    settings: ServerSettings = app.state.settings
    engine, client = create_engine(settings), cache.create_client(settings)
    users, feed = cache.Cache(client, settings.cache_seconds), events.Feed()
    probe = Probe(settings)
    app.state.resources = Resources(
        settings,
        create_sessions(engine),
        UserCache(users, settings.namespace),
        feed,
        probe,
        Turns(settings),
        Allowance(client, settings.mail_limit, settings.namespace),
    )
    listening = asyncio.create_task(events.listen(feed, settings))
    with on_stop(feed.close):
        yield
    listening.cancel()
    await asyncio.wait([listening])
    await users.close()
    await client.aclose()
    probe.close()
    await engine.dispose()


# --8<-- [end:lifespan]


# --8<-- [start:create_app]
def create_app(settings: ServerSettings | None = None) -> FastAPI:
    """Return the app, with settings from the environment unless they are given."""
    logs.configure()
    app = FastAPI(
        title="Accounts",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would lead to where the client says
    )
    app.state.settings = settings or startup.read(ServerSettings)
    middleware.install(app)
    errors.install(app)
    limit = app.state.settings.body_limit
    app.include_router(handlers.router, max_body_size=limit)
    app.include_router(verification.router, max_body_size=limit)
    app.include_router(health.router)
    return app


# --8<-- [end:create_app]
