"""Answer each path in the one spelling that a gateway's rules are written in."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


# --8<-- [start:one_spelling]
class OneSpelling:
    """Finds nothing under a path with escapes, such as `/%6detrics`.

    No path of this service needs one, and a rule for `/metrics` may not know it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on all other requests."""
        if scope["type"] == "http" and b"%" in scope.get("raw_path", b""):
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


# --8<-- [end:one_spelling]
