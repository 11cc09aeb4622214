"""What holds for each request, whatever it asks for."""

from starlette.applications import Starlette

from accounts.middleware.measuring import Measuring
from accounts.middleware.one_spelling import OneSpelling
from accounts.middleware.request_log import RequestLog


def install(app: Starlette) -> None:
    """Wrap the app; the last one added is the outermost."""
    app.add_middleware(OneSpelling)
    app.add_middleware(RequestLog)
    app.add_middleware(Measuring)
