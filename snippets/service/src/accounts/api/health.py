"""What an orchestrator and a monitor ask for."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from fastapi.requests import HTTPConnection

from accounts import __version__
from accounts.api.dependencies import get_resources
from accounts.api.schemas import Health
from accounts.database import ask
from accounts.metrics import exposition
from accounts.repositories.outbox_repository import OutboxRepository

router = APIRouter(tags=["operation"])


# --8<-- [start:healthz]
@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process runs; a failure means: restart it."""
    return Health(status="ok", version=__version__, time=datetime.now(UTC))


# --8<-- [end:healthz]


# --8<-- [start:readyz]
@router.get("/readyz", responses={503: {"model": Health}})
async def readyz(connection: HTTPConnection, response: Response) -> Health:
    """Tell whether requests can be served now; a failure means: send none.

    The broker isn't asked: without it, messages wait in the outbox. A pool that is
    busy is no reason either, for requests wait for it and are served.
    """
    ready = await get_resources(connection).probe.is_answered()
    response.status_code = 200 if ready else 503
    status = "ok" if ready else "unavailable"
    return Health(status=status, version=__version__, time=datetime.now(UTC))


# --8<-- [end:readyz]


@router.get("/metrics", response_class=Response)
async def metrics(connection: HTTPConnection) -> Response:
    """Return the metrics of all processes, in Prometheus' format."""
    backlog = await ask(
        get_resources(connection).sessions,
        lambda session: OutboxRepository(session).backlog(),
    )
    body, content_type = exposition(backlog)
    return Response(body, headers={"Content-Type": content_type})
