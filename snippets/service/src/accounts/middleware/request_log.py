"""Give each request an id, log it once, and turn a surprise into a 500."""

import re
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accounts.middleware.measuring import route_of

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger()


def request_id(scope: Scope) -> str:
    """Return the id that a proxy gave the request, or a new one."""
    given = Headers(scope=scope).get(HEADER, "")
    return given if ACCEPTED.fullmatch(given) else uuid4().hex


class RequestLog:
    """Binds the request's id to all that is logged on its behalf."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, then log what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, known_as = perf_counter(), 0, request_id(scope)

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = known_as
            await send(message)

        # --8<-- [start:bound]
        with structlog.contextvars.bound_contextvars(request_id=known_as):
            try:
                await self.app(scope, receive, marked)
            except Exception:
                log.exception("request_failed")
                if not status:
                    answer = JSONResponse({"detail": "Internal server error"}, 500)
                    await answer(scope, receive, marked)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    route=route_of(scope),
                    status=status,
                    duration_ms=round((perf_counter() - started) * 1000, 1),
                )

        # --8<-- [end:bound]
