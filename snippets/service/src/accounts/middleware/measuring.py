"""Count each request under the template of its route."""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accounts import metrics


class Measuring:
    """Observes each request when its response has ended, streams included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and observe it also when the app raises."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            seconds = perf_counter() - started
            metrics.observe(scope["method"], route_of(scope), status, seconds)


def route_of(scope: Scope) -> str:
    """Return the template of the route, such as `/users/{user_id}`."""
    route: str = getattr(scope.get("route"), "path", "unmatched")
    return route
